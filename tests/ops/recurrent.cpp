#include <algorithm>

#include "inputs.h"

namespace rapt::tests {
namespace {

using Cell = RecurrentResult (*)(const Tensor&, const RecurrentWeights&, const RecurrentState&,
                                 const RecurrentOptions&);

/// The inputs are x, the four weights, h0 and, of lstm, c0.
Tensors results(Cell cell, In x, const RecurrentOptions& options, bool has_cell) {
  const auto at = [&](size_t i) { return i < x.size() ? x[i] : Tensor(); };
  const RecurrentWeights weights{x[1], x[2], at(3), at(4)};
  const RecurrentResult r = cell(x[0], weights, {at(5), at(6)}, options);
  if (has_cell) return {r.output, r.last.hidden, r.last.cell};
  return {r.output, r.last.hidden};
}

struct Kind {
  const char* name;
  Cell cell;
  int64_t gates;
  bool has_cell;

  TensorFunction with(RecurrentOptions options = {}) const {
    return [kind = *this, options](In x) { return results(kind.cell, x, options, kind.has_cell); };
  }
  Tensors inputs(const Shape& x, int64_t hidden) const {
    const int64_t rows = gates * hidden;
    Tensors out = {normal(x, 1),      normal({rows, x[2]}, 2), normal({rows, hidden}, 3),
                   normal({rows}, 4), normal({rows}, 5),       normal({x[0], hidden}, 6)};
    if (has_cell) out.push_back(normal({x[0], hidden}, 7));
    return out;
  }
};

constexpr Kind kinds[] = {{"rnn", rnn, 1, false}, {"lstm", lstm, 4, true}, {"gru", gru, 3, false}};

void add_samples(OpRecord& op, const Kind& kind) {
  const Tensors all = kind.inputs({2, 3, 2}, 2);
  op.sample("", kind.with(), all);
  op.sample("without biases and states", kind.with(), {all[0], all[1], all[2]});
  op.sample("reverse", kind.with({.reverse = true}), all);
  const Tensors three = kind.inputs({3, 3, 2}, 2);
  op.sample("lengths", kind.with({.lengths = ids({2, 0, 3}, {3})}), three);
  op.sample("lengths, reverse", kind.with({.lengths = ids({1, 3, 2}, {3}), .reverse = true}),
            three);
  op.sample("one token", kind.with(), kind.inputs({1, 1, 1}, 1));
  op.sample("no tokens", kind.with(), kind.inputs({2, 0, 2}, 2));
  op.sample("no rows", kind.with(), kind.inputs({0, 2, 2}, 2));
  op.sample("no columns", kind.with(), kind.inputs({2, 2, 0}, 2));
  if (kind.gates > 1) return;
  // Away from the kink: z is a sum of what is at least 0.1.
  Tensors inputs = {positive({2, 3, 2}), positive({2, 2}, 2), positive({2, 2}, 3) * 0.2,
                    positive({2}, 4),    positive({2}, 5),    positive({2, 2}, 6)};
  inputs[1] = inputs[1] * tensor({{1}, {-1}}, f64);
  op.sample("relu", kind.with({.nonlinearity = RnnNonlinearity::relu}), inputs);
}

void add_replays(OpRecord& op, const Kind& kind) {
  const std::string name = kind.name;
  const auto packed = [kind](bool reverse) {
    return [kind, reverse](In x) {
      const Tensors inputs(x.begin() + 1, x.end());
      return results(kind.cell, inputs, {.lengths = x[0], .reverse = reverse}, kind.has_cell);
    };
  };
  op.replay(name + "/plain", kind.with());
  op.replay(name + "/no biases", kind.with());
  op.replay(name + "/reverse", kind.with({.reverse = true}));
  op.replay(name + "/lengths", packed(false));
  op.replay(name + "/lengths, reverse", packed(true));
  if (kind.gates == 1) {
    op.replay("rnn/relu", kind.with({.nonlinearity = RnnNonlinearity::relu}));
  }
}

Tensors draw(Draw& d, const Kind& kind) {
  const int64_t rows = d.in(0, 5), steps = d.in(0, 5), width = d.in(0, 4);
  const int64_t hidden = d.one_of<int64_t>({1, 2, 3, 17}), wide = kind.gates * hidden;
  Tensors inputs = {d.floats({rows, steps, width}), d.floats({wide, width}),
                    d.floats({wide, d.chance(32) ? hidden + 1 : hidden})};
  const auto optional = [&](const Shape& shape) {
    return d.chance(2) ? d.floats(shape) : Tensor();
  };
  inputs.push_back(optional({wide}));
  inputs.push_back(optional({wide}));
  inputs.push_back(optional({rows, hidden}));
  inputs.push_back(kind.has_cell ? optional({rows, hidden}) : Tensor());
  RecurrentOptions options;
  if (d.chance(2)) options.lengths = d.integers({rows}, 0, d.chance(24) ? steps + 1 : steps);
  options.reverse = d.chance(2);
  if (kind.gates == 1 && d.chance(2)) options.nonlinearity = RnnNonlinearity::relu;
  return results(kind.cell, inputs, options, kind.has_cell);
}

}  // namespace

void add_recurrent(Ops& ops) {
  for (const Kind& kind : kinds) {
    OpRecord& op =
        ops(text(kind.name, "(Tensor, RecurrentWeights, RecurrentState, RecurrentOptions)"));
    add_samples(op, kind);
    add_replays(op, kind);
    op.may_lack(kind.has_cell ? std::vector<size_t>{3, 4, 5, 6} : std::vector<size_t>{3, 4, 5});
    op.draw([kind](Draw& d) { return draw(d, kind); });
  }
}

}  // namespace rapt::tests
