#include "rapt/autograd/kernels/cross_entropy.h"

#include <algorithm>

#include "rapt/autograd/kernels/rows.h"

namespace rapt::kernels {
namespace {

/// A row's loss is lse * total - sum over classes of share[c] * logits[c]: `on` for the target,
/// `off` (times the class's weight) for every class.
template <class T>
struct Shares {
  double on, off, total;

  Shares(const ClassTargets<T>& t, int64_t target, int64_t classes, double weights_sum)
      : on((1 - t.label_smoothing) * (t.class_weights ? t.class_weights[target] : 1)),
        off(t.label_smoothing / static_cast<double>(classes)),
        total(on + off * weights_sum) {}
};

template <class T>
double sum_of_weights(const ClassTargets<T>& t, int64_t classes) {
  if (t.class_weights == nullptr) return static_cast<double>(classes);
  double sum = 0;
  for (int64_t c = 0; c < classes; ++c) sum += t.class_weights[c];
  return sum;
}

// A share of 0 gives 0, whatever arrives.
template <class T>
T times(T g, double share) {
  return share == 0 ? T(0) : static_cast<T>(g * share);
}

/// off * weights, where a weight of 0 has none.
template <class T>
Block<T> times_weights(T off, const T* weights, int64_t at, int64_t count) {
  const Block<T> w = load_some(weights, at, count, T(1));
  return (w == T(0)).select(Block<T>::Zero(), off * w);
}

}  // namespace

template <class T>
void cross_entropy(int64_t rows, int64_t classes, const T* logits, const ClassTargets<T>& t,
                   Softmax<T> softmax, double* losses) {
  const double weights_sum = sum_of_weights(t, classes);
  for_each_row(rows, classes, [&](int64_t row) {
    const int64_t target = t.targets[row];
    softmax.shift[row] = softmax.factor[row] = T(0);
    losses[row] = 0;
    if (target == t.ignore_index) return;
    const T* x = logits + row * classes;
    const T shift = shift_of(x, classes), sum = row_sum_exp(x, classes, shift);
    softmax.shift[row] = shift;
    softmax.factor[row] = sum == T(0) ? T(0) : T(1) / sum;
    const Shares<T> share(t, target, classes, weights_sum);
    if (share.total == 0) return;
    if (sum == T(0)) {  // nothing but -inf: as log_softmax has it
      losses[row] = infinity<double>;
      return;
    }
    double loss = share.total * (shift + log_one(static_cast<double>(sum)));
    if (share.on != 0) loss -= share.on * x[target];  // 0 * -inf is NaN
    if (share.off != 0) {
      for (int64_t c = 0; c < classes; ++c) {
        const double weight = t.class_weights ? t.class_weights[c] : 1;
        if (weight != 0) loss -= share.off * weight * x[c];
      }
    }
    losses[row] = loss;
  });
}

template <class T>
void cross_entropy_backward(int64_t rows, int64_t classes, const T* logits,
                            const ClassTargets<T>& t, Softmax<const T> softmax, const T* g,
                            int64_t g_stride, T* dlogits) {
  const double weights_sum = sum_of_weights(t, classes);
  for_each_row(rows, classes, [&](int64_t row) {
    const int64_t target = t.targets[row];
    T* dx = dlogits + row * classes;
    if (target == t.ignore_index || softmax.factor[row] == T(0)) {
      std::fill_n(dx, classes, T(0));
      return;
    }
    const Shares<T> share(t, target, classes, weights_sum);
    const T shift = softmax.shift[row], factor = softmax.factor[row];
    const T grad = g[row * g_stride];
    const T total = times(grad, share.total), off = times(grad, share.off);
    for_each_block(logits + row * classes, classes, T(0),
                   [&](const Block<T>& u, int64_t at, int64_t count) {
                     Block<T> d = total * (exp<T>(u - shift) * factor);
                     if (off != 0) d -= times_weights(off, t.class_weights, at, count);
                     store_some(dx + at, d, count);
                   });
    dx[target] -= times(grad, share.on);
  });
}

#define RAPT_INSTANTIATE(T)                                                                   \
  template void cross_entropy(int64_t, int64_t, const T*, const ClassTargets<T>&, Softmax<T>, \
                              double*);                                                       \
  template void cross_entropy_backward(int64_t, int64_t, const T*, const ClassTargets<T>&,    \
                                       Softmax<const T>, const T*, int64_t, T*);
RAPT_INSTANTIATE(float)
RAPT_INSTANTIATE(double)
#undef RAPT_INSTANTIATE

}  // namespace rapt::kernels
