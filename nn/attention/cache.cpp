#include "rapt/nn/attention/cache.h"

#include <algorithm>
#include <bit>
#include <exception>

#include "rapt/autograd/graph/recording.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/sum_to.h"
#include "rapt/autograd/ops/detail/weight_layouts.h"

namespace rapt::nn {
namespace {

/// So many tokens are made room for at once, at least.
constexpr int64_t least_room = 64;

bool all_equal(const std::vector<int64_t>& x) {
  return std::adjacent_find(x.begin(), x.end(), std::not_equal_to<>()) == x.end();
}

Tensor as_tensor(const std::vector<int64_t>& x) {
  return from_values(x, {static_cast<int64_t>(x.size())});
}

size_t index(int64_t i) { return static_cast<size_t>(i); }

/// Room for `length` tokens' values, [B, H, length, d].
Tensor empty_values(const Tensor& like, int64_t length) {
  return empty({like.size(0), like.size(1), length, like.size(3)}, like.dtype());
}

/// The same of keys. Each column of a head is dense: so the product of a query with them reads
/// them, and need not transpose all of them for each new token. (f64 runs on OpenBLAS.) Columns
/// that lie a multiple of 4 KiB apart would share a place in the caches.
Tensor empty_keys(const Tensor& like, int64_t length) {
  if (like.dtype() != Dtype::f32) return empty_values(like, length);
  constexpr int64_t apart = 16;
  const Tensor all =
      empty({like.size(0), like.size(1), like.size(3), length + apart}, like.dtype());
  return slice(transpose(all, 2, 3), 2, 0, length);
}

/// How sequences came from one another: the tokens before `begin` lie in memory as those of the
/// trunk do, the others are of this branch alone.
struct Branch {
  std::shared_ptr<const Branch> trunk;  // null at the root
  int64_t begin;
};

/// So many tokens at their beginning are the same, because both grew from one.
int64_t shared_tokens(const Branch* a, const Branch* b) {
  int64_t shared = INT64_MAX;
  while (a != b) {
    const Branch*& younger = b == nullptr || (a != nullptr && a->begin >= b->begin) ? a : b;
    shared = std::min(shared, younger->begin);
    younger = younger->trunk.get();
  }
  return shared;  // roots begin at 0
}

}  // namespace

/// Of layer after layer: keys and values [B, H, room, d], of which those of the first lengths[b]
/// tokens are set.
struct KeyValueCache::Body {
  struct Layer {
    std::shared_ptr<const void> of;  // tells which layer it is
    Tensor keys, values;
    Tensor memory;  // what they were made from, of cross-attention, as long as rows are as then
    bool is_memory = false;
  };

  int64_t rows() const { return static_cast<int64_t>(lengths.size()); }
  int64_t longest() const {
    return lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
  }

  Layer& next_layer(const std::shared_ptr<const void>& of) {
    if (at == layers.size()) layers.emplace_back().of = of;
    Layer& layer = layers[at++];
    if (layer.of != of) {
      fail("KeyValueCache: wanted the layers of the steps before, in their order; got another as ",
           at == 1 ? "the first" : text("number ", at));
    }
    return layer;
  }

  /// Room for so many tokens, with those that are there. make_room: empty_keys or empty_values
  template <class MakeRoom>
  Tensor with_room(MakeRoom make_room, const Tensor& old, const Tensor& like,
                   int64_t wanted) const {
    if (old.defined() && old.size(2) >= wanted) return old;
    const auto room = std::bit_ceil(static_cast<uint64_t>(std::max(wanted, least_room)));
    const Tensor all = make_room(like, static_cast<int64_t>(room));
    const int64_t there = longest();
    if (old.defined() && there > 0) copy_elements(slice(all, 2, 0, there), slice(old, 2, 0, there));
    return all;
  }

  /// What is new goes behind what each sequence has.
  void append(const Tensor& all, const Tensor& added) const {
    if (!starts.defined()) {
      return copy_elements(slice(all, 2, longest(), longest() + added.size(2)), added);
    }
    for (int64_t b = 0; b < rows(); ++b) {
      const int64_t begin = lengths[index(b)];
      copy_elements(slice(select_row(all, b), 1, begin, begin + added.size(2)),
                    select_row(added, b));
    }
  }
  static Tensor select_row(const Tensor& x, int64_t row) { return rapt::select(x, 0, row); }

  void select_memories(const std::vector<int64_t>& from);
  void select_layers(const std::vector<int64_t>& from);
  void move_rows(const std::vector<int64_t>& from);

  std::vector<Layer> layers;
  std::vector<int64_t> lengths;
  std::vector<std::shared_ptr<const Branch>> branches;  // one for each sequence
  std::vector<int64_t> memories;  // the row of the first step's memory that each attends to
  WeightLayouts weights;

  bool is_open = false;
  size_t at = 0;                  // the layer that is next
  int64_t tokens = 0;             // of the step
  std::vector<int64_t> counting;  // those that are no padding
  Tensor starts, ends;
};

KeyValueCache::KeyValueCache() : body_(std::make_shared<Body>()) {}
KeyValueCache::~KeyValueCache() = default;
KeyValueCache::KeyValueCache(KeyValueCache&&) noexcept = default;
KeyValueCache& KeyValueCache::operator=(KeyValueCache&&) noexcept = default;

const std::vector<int64_t>& KeyValueCache::lengths() const { return body_->lengths; }
int64_t KeyValueCache::longest() const { return body_->longest(); }

// ---- sequences ---------------------------------------------------------------------------------

void KeyValueCache::clear() {
  if (body_->is_open) fail("KeyValueCache::clear: wanted no step under way");
  body_->layers.clear();
  body_->lengths.clear();
  body_->branches.clear();
  body_->memories.clear();
}

void KeyValueCache::truncate(const std::vector<int64_t>& lengths) {
  Body& body = *body_;
  if (body.is_open) fail("KeyValueCache::truncate: wanted no step under way");
  const bool fits = lengths.size() == body.lengths.size() &&
                    std::equal(lengths.begin(), lengths.end(), body.lengths.begin(),
                               [](int64_t to, int64_t from) { return 0 <= to && to <= from; });
  if (!fits) {
    fail("KeyValueCache::truncate: wanted a length for each of ", body.rows(),
         " sequences, at most its own");
  }
  body.lengths = lengths;
  for (size_t i = 0; i < lengths.size(); ++i) {
    body.branches[i] = std::make_shared<const Branch>(Branch{body.branches[i], lengths[i]});
  }
}

void KeyValueCache::select(const std::vector<int64_t>& rows) {
  Body& body = *body_;
  if (body.is_open) fail("KeyValueCache::select: wanted no step under way");
  for (const int64_t row : rows) {
    if (row < 0 || row >= body.rows()) {
      fail("KeyValueCache::select: wanted rows in [0, ", body.rows(), "); got ", row);
    }
  }
  const auto count = static_cast<int64_t>(rows.size());
  body.select_memories(rows);
  if (count == body.rows()) {
    body.move_rows(rows);
  } else {
    body.select_layers(rows);
  }
  std::vector<int64_t> lengths, uses(index(body.rows()));
  std::vector<std::shared_ptr<const Branch>> branches;
  for (const int64_t row : rows) ++uses[index(row)];
  for (const int64_t row : rows) {
    const std::shared_ptr<const Branch>& old = body.branches[index(row)];
    lengths.push_back(body.lengths[index(row)]);
    branches.push_back(
        uses[index(row)] == 1 ? old : std::make_shared<const Branch>(Branch{old, lengths.back()}));
  }
  body.lengths = std::move(lengths);
  body.branches = std::move(branches);
}

/// Beams of one source attend to one memory: then nothing is to be done.
void KeyValueCache::Body::select_memories(const std::vector<int64_t>& from) {
  std::vector<int64_t> now;
  now.reserve(from.size());
  for (const int64_t row : from) now.push_back(memories[index(row)]);
  if (now == memories) return;
  memories = std::move(now);
  for (Layer& layer : layers) {
    if (!layer.is_memory) continue;
    layer.memory = {};
    const Tensor keys = index_select(layer.keys, 0, as_tensor(from));
    layer.keys = empty_keys(keys, keys.size(2));
    copy_elements(layer.keys, keys);
    layer.values = index_select(layer.values, 0, as_tensor(from));
  }
}

/// By copies of all that is there.
void KeyValueCache::Body::select_layers(const std::vector<int64_t>& from) {
  const Tensor rows = as_tensor(from);
  int64_t there = 0;
  for (const int64_t row : from) there = std::max(there, lengths[index(row)]);
  for (Layer& layer : layers) {
    if (layer.is_memory) continue;
    const auto take = [&](Tensor& all, auto make_room) {
      const Tensor taken = index_select(slice(all, 2, 0, there), 0, rows);
      all = with_room(make_room, {}, taken, there);
      copy_elements(slice(all, 2, 0, there), taken);
    };
    take(layer.keys, empty_keys);
    take(layer.values, empty_values);
  }
}

/// In place: of each sequence that becomes another, what the two do not share.
void KeyValueCache::Body::move_rows(const std::vector<int64_t>& from) {
  struct Move {
    int64_t to, from, begin, end;
  };
  std::vector<Move> moves;
  for (int64_t to = 0; to < rows(); ++to) {
    const int64_t row = from[index(to)];
    const int64_t begin = shared_tokens(branches[index(to)].get(), branches[index(row)].get());
    const int64_t end = lengths[index(row)];
    if (row != to && begin < end) moves.push_back({to, row, begin, end});
  }
  for (Layer& layer : layers) {
    if (layer.is_memory || moves.empty()) continue;
    for (Tensor* all : {&layer.keys, &layer.values}) {
      Tensors parts;  // all are read before one is overwritten
      for (const Move& m : moves) {
        parts.push_back(slice(select_row(*all, m.from), 1, m.begin, m.end).clone());
      }
      for (size_t i = 0; i < moves.size(); ++i) {
        copy_elements(slice(select_row(*all, moves[i].to), 1, moves[i].begin, moves[i].end),
                      parts[i]);
      }
    }
  }
}

// ---- for layers --------------------------------------------------------------------------------

KeyValueCache::Body& KeyValueCache::open() const {
  if (!body_->is_open) fail("KeyValueCache: wanted a CacheStep around the layers that use it");
  return *body_;
}

int64_t KeyValueCache::start() const { return open().longest(); }
const Tensor& KeyValueCache::starts() const { return open().starts; }
const Tensor& KeyValueCache::ends() const { return open().ends; }

Tensor KeyValueCache::places() const {
  const Body& body = open();
  const int64_t first = body.starts.defined() ? 0 : body.longest();
  const Tensor along = arange(first, first + body.tokens);
  return body.starts.defined() ? unsqueeze(body.starts, 1) + along : along;
}

KeyValueCache::KeysAndValues KeyValueCache::extend(const std::shared_ptr<const void>& layer_of,
                                                   const Tensor& keys, const Tensor& values) {
  Body& body = open();
  for (const Tensor* x : {&keys, &values}) {
    if (x->rank() != 4 || x->size(0) != body.rows() || x->size(2) != body.tokens) {
      fail("KeyValueCache: wanted keys and values [", body.rows(), ", H, ", body.tokens,
           ", d] of the step's tokens; got ", x->shape());
    }
  }
  const int64_t end = body.longest() + body.tokens;
  Body::Layer& layer = body.next_layer(layer_of);
  const auto all_of = [&](Tensor& all, const Tensor& added, auto make_room) {
    if (all.defined() && (layer.is_memory || all.dtype() != added.dtype() ||
                          all.size(1) != added.size(1) || all.size(3) != added.size(3))) {
      fail("KeyValueCache: wanted heads as in the steps before, ", all.dtype(), all.shape(),
           "; got ", added.dtype(), added.shape());
    }
    all = body.with_room(make_room, all, added, end);
    body.append(all, added);
    return slice(all, 2, 0, end);
  };
  Tensor all_keys = all_of(layer.keys, keys, empty_keys);
  return {all_keys, all_of(layer.values, values, empty_values)};
}

KeyValueCache::KeysAndValues KeyValueCache::of_memory(const std::shared_ptr<const void>& layer_of,
                                                      const Tensor& memory,
                                                      FunctionRef<KeysAndValues()> make) {
  Body::Layer& layer = open().next_layer(layer_of);
  if (!layer.keys.defined()) {
    const auto [keys, values] = make();
    const Tensor laid_out = empty_keys(keys, keys.size(2));
    copy_elements(laid_out, keys);
    layer = {layer_of, laid_out, values, memory, true};
  }
  if (!layer.is_memory) {
    fail("KeyValueCache: wanted a layer that attends to itself, as in the steps before");
  }
  if (!layer.memory.defined()) layer.memory = memory;  // its rows were selected as the cache's were
  if (!layer.memory.same_as(memory) || memory.size(0) != layer.keys.size(0)) {
    fail(
        "KeyValueCache: wanted the memory of the steps before, whose keys are there; got another, ",
        memory.shape());
  }
  return {layer.keys, layer.values};
}

// ---- steps -------------------------------------------------------------------------------------

struct CacheStep::Use {
  explicit Use(WeightLayouts& layouts) : weights(layouts) {}
  WeightLayouts::Use weights;
};

CacheStep::CacheStep(KeyValueCache& cache, int64_t rows, int64_t tokens, const Tensor& lengths)
    : cache_(cache), exceptions_(std::uncaught_exceptions()) {
  KeyValueCache::Body& body = *cache.body_;
  if (records_graph()) fail("CacheStep: wanted NoGrad: a cache keeps no gradients");
  if (body.is_open) fail("CacheStep: wanted one step at a time");
  if (rows < 0 || tokens < 0)
    fail("CacheStep: wanted rows and tokens >= 0; got ", rows, " and ", tokens);
  if (!body.lengths.empty() && body.rows() != rows) {
    fail("CacheStep: wanted ", body.rows(), " sequences, as the cache holds; got ", rows);
  }
  std::vector<int64_t> counting(index(rows), tokens);
  if (lengths.defined()) {
    if (lengths.dtype() != Dtype::i64 || lengths.shape() != Shape{rows}) {
      fail("CacheStep: wanted lengths i64 [", rows, "]; got ", lengths.dtype(), lengths.shape());
    }
    counting = lengths.values<int64_t>();
    for (const int64_t length : counting) {
      if (length < 0 || length > tokens) {
        fail("CacheStep: wanted lengths in [0, ", tokens, "], of the tokens given; got ", length);
      }
    }
  }
  begins_ = body.lengths.empty();
  if (begins_) {
    body.lengths.assign(index(rows), 0);
    for (int64_t b = 0; b < rows; ++b) {
      body.branches.push_back(std::make_shared<const Branch>(Branch{nullptr, 0}));
      body.memories.push_back(b);
    }
  }
  const bool starts_differ = !all_equal(body.lengths);
  body.starts = starts_differ ? as_tensor(body.lengths) : Tensor();
  body.counting = std::move(counting);
  const bool all_count = std::all_of(body.counting.begin(), body.counting.end(),
                                     [=](int64_t length) { return length == tokens; });
  body.ends = {};
  if (starts_differ || !all_count) {
    body.ends = as_tensor(body.lengths) + as_tensor(body.counting);
  }
  body.tokens = tokens;
  body.at = 0;
  use_ = std::make_shared<Use>(body.weights);
  body.is_open = true;
}

CacheStep::~CacheStep() {
  KeyValueCache::Body& body = *cache_.body_;
  body.is_open = false;
  if (std::uncaught_exceptions() > exceptions_) {
    if (begins_) cache_.clear();
    return;
  }
  for (int64_t b = 0; b < body.rows(); ++b) {
    body.lengths[index(b)] += body.counting[index(b)];
  }
}

}  // namespace rapt::nn
