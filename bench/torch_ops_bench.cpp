// The same on libtorch: torch_ops_bench [THREADS [WORD]].
#include <torch/torch.h>

#include <cstdlib>

#include "op_cases.h"

namespace {

using torch::Tensor;

using In = bench::Inputs<Tensor>;

template <class F>
bench::Op<Tensor> op(const char* name, F f) {
  return {name, [f](const In& in) { return f(in.x); }};
}

std::vector<bench::Op<Tensor>> all_ops() {
  return {op("clone", [](const Tensor& x) { return x.clone(at::MemoryFormat::Contiguous); }),
          {"x + d", [](const In& in) { return in.x + in.d; }},
          op("exp", [](const Tensor& x) { return x.exp(); }),
          op("sqrt", [](const Tensor& x) { return x.sqrt(); }),
          op("pow 0.5", [](const Tensor& x) { return x.pow(0.5); }),
          op("pow -1", [](const Tensor& x) { return x.pow(-1); }),
          op("pow 1.7", [](const Tensor& x) { return x.pow(1.7); }),
          op("pow -2.3", [](const Tensor& x) { return x.pow(-2.3); }),
          op("sum", [](const Tensor& x) { return x.sum(); }),
          op("sum 0", [](const Tensor& x) { return x.sum(0); }),
          op("sum -1", [](const Tensor& x) { return x.sum(-1); }),
          op("mean 0", [](const Tensor& x) { return x.mean(0); }),
          op("mean -1", [](const Tensor& x) { return x.mean(-1); }),
          op("var 0", [](const Tensor& x) { return x.var(0, true); }),
          op("var -1", [](const Tensor& x) { return x.var(-1, true); }),
          op("max 0", [](const Tensor& x) { return x.amax(0); }),
          op("max -1", [](const Tensor& x) { return x.amax(-1); }),
          op("argmax 0", [](const Tensor& x) { return x.argmax(0); }),
          op("argmax -1", [](const Tensor& x) { return x.argmax(-1); }),
          op("logsumexp 0", [](const Tensor& x) { return x.logsumexp(0); }),
          op("logsumexp -1", [](const Tensor& x) { return x.logsumexp(-1); }),
          op("softmax 0", [](const Tensor& x) { return x.softmax(0); }),
          op("softmax -1", [](const Tensor& x) { return x.softmax(-1); }),
          op("log_softmax 0", [](const Tensor& x) { return x.log_softmax(0); }),
          op("log_softmax -1", [](const Tensor& x) { return x.log_softmax(-1); }),
          op("std 0", [](const Tensor& x) { return x.std(0, true); }),
          op("std -1", [](const Tensor& x) { return x.std(-1, true); }),
          op("prod 0", [](const Tensor& x) { return x.prod(0); }),
          op("prod -1", [](const Tensor& x) { return x.prod(-1); }),
          op("norm", [](const Tensor& x) { return x.norm(); }),
          op("norm 0", [](const Tensor& x) { return torch::linalg_vector_norm(x, 2, 0); }),
          op("norm -1", [](const Tensor& x) { return torch::linalg_vector_norm(x, 2, -1); }),
          op("norm1 -1", [](const Tensor& x) { return torch::linalg_vector_norm(x, 1, -1); }),
          op("norm3 -1", [](const Tensor& x) { return torch::linalg_vector_norm(x, 3, -1); }),
          op("argmin -1", [](const Tensor& x) { return x.argmin(-1); }),
          op("any 0", [](const Tensor& x) { return (x > 9).any(0); }),
          op("any -1", [](const Tensor& x) { return (x > 9).any(-1); }),
          op("cumsum 0", [](const Tensor& x) { return x.cumsum(0); }),
          op("cumsum -1", [](const Tensor& x) { return x.cumsum(-1); }),
          op("cumprod 0", [](const Tensor& x) { return x.cumprod(0); }),
          op("cumprod -1", [](const Tensor& x) { return x.cumprod(-1); }),
          op("logcumsumexp 0", [](const Tensor& x) { return x.logcumsumexp(0); }),
          op("logcumsumexp -1", [](const Tensor& x) { return x.logcumsumexp(-1); }),
          op("sort 0", [](const Tensor& x) { return std::get<0>(x.sort(0)); }),
          op("sort -1", [](const Tensor& x) { return std::get<0>(x.sort(-1)); }),
          op("topk 0", [](const Tensor& x) { return std::get<0>(x.topk(10, 0)); }),
          op("topk -1", [](const Tensor& x) { return std::get<0>(x.topk(10, -1)); }),
          op("topk half", [](const Tensor& x) { return std::get<0>(x.topk(x.size(-1) / 2)); }),
          op("median -1", [](const Tensor& x) { return std::get<0>(x.median(-1)); }),
          {"gather 0", [](const In& in) { return in.x.gather(0, in.first); }},
          {"gather -1", [](const In& in) { return in.x.gather(-1, in.last); }},
          {"scatter 0", [](const In& in) { return in.d.scatter(0, in.first, in.x); }},
          {"scatter -1", [](const In& in) { return in.d.scatter(-1, in.last, in.x); }},
          {"scatter_add 0", [](const In& in) { return in.d.scatter_add(0, in.first, in.x); }},
          {"scatter_add -1", [](const In& in) { return in.d.scatter_add(-1, in.last, in.x); }},
          {"scatter_max 0",
           [](const In& in) { return in.d.scatter_reduce(0, in.first, in.x, "amax"); }},
          {"scatter_max -1",
           [](const In& in) { return in.d.scatter_reduce(-1, in.last, in.x, "amax"); }},
          {"index_select 0", [](const In& in) { return in.x.index_select(0, in.rows); }},
          {"index_select -1", [](const In& in) { return in.x.index_select(-1, in.columns); }},
          {"index_add 0", [](const In& in) { return in.d.index_add(0, in.rows, in.x); }},
          {"index_add -1", [](const In& in) { return in.d.index_add(-1, in.columns, in.x); }},
          {"nonzero", [](const In& in) { return in.mask.nonzero(); }},
          {"masked_select", [](const In& in) { return in.x.masked_select(in.mask); }},
          op("log1p", [](const Tensor& x) { return x.log1p(); }),
          {"atan", [](const In& in) { return in.centered.atan(); }},
          {"softplus", [](const In& in) { return torch::softplus(in.centered); }},
          {"elu", [](const In& in) { return torch::elu(in.centered); }},
          op("layer_norm", [](const Tensor& x) { return torch::layer_norm(x, {x.size(-1)}); })};
}

}  // namespace

int main(int argc, char** argv) {
  const torch::NoGradGuard no_grad;
  at::set_num_threads(argc > 1 ? std::atoi(argv[1]) : 1);
  bench::time_ops(all_ops(), argc > 2 ? argv[2] : "", [](const bench::Layout& layout) {
    const Tensor x = (torch::rand(layout.lengths) + 0.5).permute(layout.order);
    const int64_t rows = x.size(0), columns = x.size(-1);
    return In{x,
              x.clone(at::MemoryFormat::Contiguous),
              x - 1,
              torch::randint(rows, x.sizes(), torch::kLong),
              torch::randint(columns, x.sizes(), torch::kLong),
              torch::randint(rows, {rows}, torch::kLong),
              torch::randint(columns, {columns}, torch::kLong),
              torch::rand(x.sizes()) < 0.5};
  });
}
