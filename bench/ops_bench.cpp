// Times single ops on dense and on permuted tensors: ops_bench [THREADS [WORD]]. One line of JSON
// each. torch_ops_bench does the same with libtorch; bench/compare_ops runs both in turn.
#include <cstdlib>

#include "op_cases.h"
#include "rapt/rapt.h"

namespace {

using namespace rapt;

using In = bench::Inputs<Tensor>;

template <class F>
bench::Op<Tensor> op(const char* name, F f) {
  return {name, [f](const In& in) { return f(in.x); }};
}

std::vector<bench::Op<Tensor>> all_ops() {
  return {op("clone", [](const Tensor& x) { return x.clone(); }),
          {"x + d", [](const In& in) { return in.x + in.d; }},
          op("exp", [](const Tensor& x) { return exp(x); }),
          op("sqrt", [](const Tensor& x) { return sqrt(x); }),
          op("pow 0.5", [](const Tensor& x) { return pow(x, 0.5); }),
          op("pow -1", [](const Tensor& x) { return pow(x, -1); }),
          op("pow 1.7", [](const Tensor& x) { return pow(x, 1.7); }),
          op("pow -2.3", [](const Tensor& x) { return pow(x, -2.3); }),
          op("sum", [](const Tensor& x) { return sum(x); }),
          op("sum 0", [](const Tensor& x) { return sum(x, {0}); }),
          op("sum -1", [](const Tensor& x) { return sum(x, {-1}); }),
          op("mean 0", [](const Tensor& x) { return mean(x, {0}); }),
          op("mean -1", [](const Tensor& x) { return mean(x, {-1}); }),
          op("var 0", [](const Tensor& x) { return var(x, {0}); }),
          op("var -1", [](const Tensor& x) { return var(x, {-1}); }),
          op("max 0", [](const Tensor& x) { return max(x, {0}); }),
          op("max -1", [](const Tensor& x) { return max(x, {-1}); }),
          op("argmax 0", [](const Tensor& x) { return argmax(x, 0); }),
          op("argmax -1", [](const Tensor& x) { return argmax(x, -1); }),
          op("logsumexp 0", [](const Tensor& x) { return logsumexp(x, {0}); }),
          op("logsumexp -1", [](const Tensor& x) { return logsumexp(x, {-1}); }),
          op("softmax 0", [](const Tensor& x) { return softmax(x, 0); }),
          op("softmax -1", [](const Tensor& x) { return softmax(x, -1); }),
          op("log_softmax 0", [](const Tensor& x) { return log_softmax(x, 0); }),
          op("log_softmax -1", [](const Tensor& x) { return log_softmax(x, -1); }),
          op("std 0", [](const Tensor& x) { return stddev(x, {0}); }),
          op("std -1", [](const Tensor& x) { return stddev(x, {-1}); }),
          op("prod 0", [](const Tensor& x) { return prod(x, {0}); }),
          op("prod -1", [](const Tensor& x) { return prod(x, {-1}); }),
          op("norm", [](const Tensor& x) { return norm(x); }),
          op("norm 0", [](const Tensor& x) { return norm(x, {0}); }),
          op("norm -1", [](const Tensor& x) { return norm(x, {-1}); }),
          op("norm1 -1", [](const Tensor& x) { return norm(x, {-1}, {.p = 1}); }),
          op("norm3 -1", [](const Tensor& x) { return norm(x, {-1}, {.p = 3}); }),
          op("argmin -1", [](const Tensor& x) { return argmin(x, -1); }),
          op("any 0", [](const Tensor& x) { return any(x > 9, {0}); }),
          op("any -1", [](const Tensor& x) { return any(x > 9, {-1}); }),
          op("cumsum 0", [](const Tensor& x) { return cumsum(x, 0); }),
          op("cumsum -1", [](const Tensor& x) { return cumsum(x, -1); }),
          op("cumprod 0", [](const Tensor& x) { return cumprod(x, 0); }),
          op("cumprod -1", [](const Tensor& x) { return cumprod(x, -1); }),
          op("logcumsumexp 0", [](const Tensor& x) { return logcumsumexp(x, 0); }),
          op("logcumsumexp -1", [](const Tensor& x) { return logcumsumexp(x, -1); }),
          op("sort 0", [](const Tensor& x) { return sort(x, 0).values; }),
          op("sort -1", [](const Tensor& x) { return sort(x, -1).values; }),
          op("topk 0", [](const Tensor& x) { return topk(x, 10, 0).values; }),
          op("topk -1", [](const Tensor& x) { return topk(x, 10, -1).values; }),
          op("topk half", [](const Tensor& x) { return topk(x, x.size(-1) / 2).values; }),
          op("median -1", [](const Tensor& x) { return median(x, -1).values; }),
          {"gather 0", [](const In& in) { return gather(in.x, 0, in.first); }},
          {"gather -1", [](const In& in) { return gather(in.x, -1, in.last); }},
          {"scatter 0", [](const In& in) { return scatter(in.d, 0, in.first, in.x); }},
          {"scatter -1", [](const In& in) { return scatter(in.d, -1, in.last, in.x); }},
          {"scatter_add 0", [](const In& in) { return scatter_add(in.d, 0, in.first, in.x); }},
          {"scatter_add -1", [](const In& in) { return scatter_add(in.d, -1, in.last, in.x); }},
          {"scatter_max 0",
           [](const In& in) { return scatter_reduce(in.d, 0, in.first, in.x, Reduce::max); }},
          {"scatter_max -1",
           [](const In& in) { return scatter_reduce(in.d, -1, in.last, in.x, Reduce::max); }},
          {"index_select 0", [](const In& in) { return index_select(in.x, 0, in.rows); }},
          {"index_select -1", [](const In& in) { return index_select(in.x, -1, in.columns); }},
          {"index_add 0", [](const In& in) { return index_add(in.d, 0, in.rows, in.x); }},
          {"index_add -1", [](const In& in) { return index_add(in.d, -1, in.columns, in.x); }},
          {"nonzero", [](const In& in) { return nonzero(in.mask); }},
          {"masked_select", [](const In& in) { return masked_select(in.x, in.mask); }},
          op("log1p", [](const Tensor& x) { return log1p(x); }),
          {"atan", [](const In& in) { return atan(in.centered); }},
          {"softplus", [](const In& in) { return softplus(in.centered); }},
          {"elu", [](const In& in) { return elu(in.centered); }},
          op("layer_norm", [](const Tensor& x) { return layer_norm(x); })};
}

}  // namespace

int main(int argc, char** argv) {
  set_num_threads(argc > 1 ? std::atoi(argv[1]) : 1);
  bench::time_ops(all_ops(), argc > 2 ? argv[2] : "", [](const bench::Layout& layout) {
    Rng rng(1);
    const Shape shape(layout.lengths.begin(), layout.lengths.end());
    const Axes order(layout.order.begin(), layout.order.end());
    const Tensor dense = rng.uniform(shape, 0.5, 1.5), x = permute(dense, order);
    const int64_t rows = x.size(0), columns = x.size(-1);
    return In{x,
              x.clone(),
              permute(dense - 1, order),
              rng.integers(0, rows, x.shape()),
              rng.integers(0, columns, x.shape()),
              rng.integers(0, rows, {rows}),
              rng.integers(0, columns, {columns}),
              rng.bernoulli(0.5, x.shape())};
  });
}
