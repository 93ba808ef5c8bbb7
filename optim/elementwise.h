#pragma once

#include <array>
#include <span>
#include <utility>

#include "rapt/autograd/dtype.h"
#include "rapt/autograd/pool.h"
#include "rapt/optim/block.h"
#include "rapt/optim/optimizer.h"

namespace rapt::optim {
namespace detail {

/// n elements of one parameter; T f32 or f64.
template <class T, class Formula, class... Kept>
void apply(const Formula& given, T factor, int64_t n, const T* __restrict gradient,
           T* __restrict parameter, Kept* __restrict... kept) {
  const Formula formula = given;  // of this function alone: its numbers stay in registers
  for (int64_t i = 0; i < n; ++i) formula(factor * gradient[i], parameter[i], kept[i]...);
}

/// A parameter, what is kept for it, and its formula.
template <class Formula, size_t count>
class Elements {
 public:
  Elements(Slot& slot, const Formula& formula)
      : gradient_(slot.parameter.grad().contiguous()), formula_(formula) {
    visit_float(gradient_.dtype(), [&](auto zero) {
      using T = decltype(zero);
      parameter_ = slot.parameter.mutable_data<T>();
      size_t i = 0;
      for (void*& kept : kept_) kept = slot.kept[i++].mutable_data<T>();
    });
  }

  void update(double factor, int64_t begin, int64_t end) const {
    visit_float(gradient_.dtype(), [&]<class T>(T) {
      [&]<size_t... i>(std::index_sequence<i...>) {
        apply(formula_, static_cast<T>(factor), end - begin, gradient_.data<T>() + begin,
              static_cast<T*>(parameter_) + begin, (static_cast<T*>(kept_[i]) + begin)...);
      }
      (std::make_index_sequence<count>());
    });
  }

 private:
  Tensor gradient_;  // dense
  void* parameter_ = nullptr;
  std::array<void*, count> kept_ = {};
  Formula formula_;
};

}  // namespace detail

/// A step of an optimizer whose formula goes element by element: one pass over the memory of all
/// parameters, shared by the threads, with the same bits for any number of them.
///
/// formula_of(slot) gives the formula with that slot's numbers in it, a function of the elements of
/// the gradient (times gradient_factor), of the parameter, and of the first `kept` of slot.kept,
/// the latter two by reference. It is called in the parameter's dtype: `using T = decltype(g)`.
template <size_t kept, class FormulaOf>
void elementwise(std::span<Slot* const> slots, double gradient_factor,
                 const FormulaOf& formula_of) {
  using Formula = decltype(formula_of(*slots[0]));
  PoolVector<detail::Elements<Formula, kept>> all;
  Block block;
  for (Slot* slot : slots) {
    all.emplace_back(*slot, formula_of(*slot));
    block.add(slot->parameter.numel());
  }
  block.for_each([&](int64_t, size_t i, int64_t begin, int64_t end) {
    all[i].update(gradient_factor, begin, end);
  });
}

}  // namespace rapt::optim
