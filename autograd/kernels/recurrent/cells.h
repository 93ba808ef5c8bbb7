#pragma once

#include <algorithm>
#include <type_traits>

#include "rapt/autograd/kernels/recurrent/recurrent.h"
#include "rapt/autograd/kernels/rows.h"

/// One step of one row, forward and backward, for each kind of cell. All pointers are to rows of
/// `hidden` numbers, or of so many parts of that.
namespace rapt::kernels {

/// Of a step forward. z = gates + from_h are what the gates are functions of.
template <class T>
struct StepForward {
  int64_t hidden;
  const T* from_h;  // W_hh h + b_hh   [G hidden]
  T* gates;         // in: W_ih x + b_ih; out: the gates   [G hidden]
  T* kept;          // [K hidden]
  T* h;             // in: the state before; out: behind
  T* c;             // the same, of lstm
};

/// Of a step backward.
template <class T>
struct StepBackward {
  int64_t hidden;
  const T *gates, *kept;
  const T* h;         // behind the step
  const T* h_before;  // null: zeros
  const T* c_before;  // the same, of lstm
  const T* arrived;   // the gradient of h as an output; null: 0
  T* dh;              // in: that of h as the next step's; out: what does not go through W_hh
  T* dc;              // in: that of c; out: that of c before
  T* d_gates;         // of W_ih x + b_ih   [G hidden]
  T* d_from_h;        // of W_hh h + b_hh   [G hidden]
  T* d_inner;         // its last part once more, of gru
};

/// f(at, count) for each block of a row.
template <class F>
[[gnu::always_inline]] inline void for_each_place(int64_t n, F f) {
  int64_t at = 0;
  for (; at + lanes <= n; at += lanes) f(at, std::integral_constant<int64_t, lanes>());
  if (at < n) f(at, n - at);
}

/// What lies at one block of a row of several parts.
template <class T, class Count>
class Place {
 public:
  [[gnu::always_inline]] Place(int64_t hidden, int64_t at, Count count)
      : hidden_(hidden), at_(at), count_(count) {}
  [[gnu::always_inline]] Block<T> load(const T* row, int64_t part = 0) const {
    if constexpr (whole) return kernels::load(row + part * hidden_ + at_);
    return load_part(row + part * hidden_ + at_, count_, T(0));
  }
  /// 0 for a null row.
  [[gnu::always_inline]] Block<T> load_or_zero(const T* row) const {
    return row == nullptr ? Block<T>(Block<T>::Constant(T(0))) : load(row);
  }
  [[gnu::always_inline]] void store(T* row, const Block<T>& x, int64_t part = 0) const {
    if constexpr (whole) return kernels::store(row + part * hidden_ + at_, x);
    store_part(row + part * hidden_ + at_, x, count_);
  }

 private:
  static constexpr bool whole = !std::is_same_v<Count, int64_t>;
  int64_t hidden_, at_;
  Count count_;
};

/// Gradients behind a sigmoid and a tanh, of their values.
template <class T>
[[gnu::always_inline]] inline Block<T> behind_sigmoid(const Block<T>& g, const Block<T>& y) {
  return g * y * (T(1) - y);
}
template <class T>
[[gnu::always_inline]] inline Block<T> behind_tanh(const Block<T>& g, const Block<T>& y) {
  return g * (T(1) - y * y);
}

/// h' = tanh(z), or relu of it.
template <class T, bool relu>
struct RnnCell {
  static void forward(const StepForward<T>& s) {
    for_each_place(s.hidden, [&](int64_t at, auto count) {
      const Place<T, decltype(count)> place(s.hidden, at, count);
      const Block<T> z = place.load(s.gates) + place.load(s.from_h);
      Block<T> h;
      if constexpr (relu) {
        for (int i = 0; i < lanes; ++i) h[i] = z[i] < 0 ? T(0) : z[i];  // NaN stays
      } else {
        h = tanh<T>(z);
      }
      place.store(s.h, h);
    });
  }
  static void backward(const StepBackward<T>& s) {
    for_each_place(s.hidden, [&](int64_t at, auto count) {
      const Place<T, decltype(count)> place(s.hidden, at, count);
      const Block<T> h = place.load(s.h);
      const Block<T> g = place.load(s.dh) + place.load_or_zero(s.arrived);
      Block<T> dz;
      if constexpr (relu) {
        for (int i = 0; i < lanes; ++i) dz[i] = h[i] == 0 ? T(0) : g[i];
      } else {
        dz = behind_tanh<T>(g, h);
      }
      place.store(s.d_gates, dz);
      place.store(s.d_from_h, dz);
      place.store(s.dh, Block<T>::Constant(T(0)));
    });
  }
};

/// c' = f c + i g,   h' = o tanh(c').   gates: i, f, g, o; kept: c', tanh(c')
template <class T>
struct LstmCell {
  static void forward(const StepForward<T>& s) {
    for_each_place(s.hidden, [&](int64_t at, auto count) {
      const Place<T, decltype(count)> place(s.hidden, at, count);
      const auto z = [&](int64_t part) __attribute__((always_inline))->Block<T> {
        return place.load(s.gates, part) + place.load(s.from_h, part);
      };
      const Block<T> i = sigmoid<T>(z(0)), f = sigmoid<T>(z(1));
      const Block<T> g = tanh<T>(z(2)), o = sigmoid<T>(z(3));
      const Block<T> c = f * place.load(s.c) + i * g;
      const Block<T> size = tanh<T>(c);
      place.store(s.gates, i, 0);
      place.store(s.gates, f, 1);
      place.store(s.gates, g, 2);
      place.store(s.gates, o, 3);
      place.store(s.kept, c, 0);
      place.store(s.kept, size, 1);
      place.store(s.c, c);
      place.store(s.h, o * size);
    });
  }
  static void backward(const StepBackward<T>& s) {
    for_each_place(s.hidden, [&](int64_t at, auto count) {
      const Place<T, decltype(count)> place(s.hidden, at, count);
      const Block<T> i = place.load(s.gates, 0), f = place.load(s.gates, 1);
      const Block<T> g = place.load(s.gates, 2), o = place.load(s.gates, 3);
      const Block<T> size = place.load(s.kept, 1);
      const Block<T> dh = place.load(s.dh) + place.load_or_zero(s.arrived);
      const Block<T> dc = place.load(s.dc) + behind_tanh<T>(dh * o, size);
      const Block<T> parts[] = {behind_sigmoid<T>(dc * g, i),
                                behind_sigmoid<T>(dc * place.load_or_zero(s.c_before), f),
                                behind_tanh<T>(dc * i, g), behind_sigmoid<T>(dh * size, o)};
      for (int part = 0; part < 4; ++part) {
        place.store(s.d_gates, parts[part], part);
        place.store(s.d_from_h, parts[part], part);
      }
      place.store(s.dc, dc * f);
      place.store(s.dh, Block<T>::Constant(T(0)));
    });
  }
};

/// n = tanh(z_n + r inner),   h' = (1 - z) n + z h.   gates: r, z, n; kept: inner = W_hn h + b_hn
template <class T>
struct GruCell {
  static void forward(const StepForward<T>& s) {
    for_each_place(s.hidden, [&](int64_t at, auto count) {
      const Place<T, decltype(count)> place(s.hidden, at, count);
      const Block<T> r = sigmoid<T>(place.load(s.gates, 0) + place.load(s.from_h, 0));
      const Block<T> z = sigmoid<T>(place.load(s.gates, 1) + place.load(s.from_h, 1));
      const Block<T> inner = place.load(s.from_h, 2);
      const Block<T> n = tanh<T>(place.load(s.gates, 2) + r * inner);
      place.store(s.gates, r, 0);
      place.store(s.gates, z, 1);
      place.store(s.gates, n, 2);
      place.store(s.kept, inner);
      place.store(s.h, (T(1) - z) * n + z * place.load(s.h));
    });
  }
  static void backward(const StepBackward<T>& s) {
    for_each_place(s.hidden, [&](int64_t at, auto count) {
      const Place<T, decltype(count)> place(s.hidden, at, count);
      const Block<T> r = place.load(s.gates, 0), z = place.load(s.gates, 1);
      const Block<T> n = place.load(s.gates, 2), inner = place.load(s.kept);
      const Block<T> dh = place.load(s.dh) + place.load_or_zero(s.arrived);
      const Block<T> dn = behind_tanh<T>(dh * (T(1) - z), n);
      const Block<T> dz = dh * place.load_or_zero(s.h_before) - dh * n;
      const Block<T> d_parts[] = {behind_sigmoid<T>(dn * inner, r), behind_sigmoid<T>(dz, z)};
      for (int part = 0; part < 2; ++part) {
        place.store(s.d_gates, d_parts[part], part);
        place.store(s.d_from_h, d_parts[part], part);
      }
      const Block<T> d_inner = dn * r;
      place.store(s.d_gates, dn, 2);
      place.store(s.d_from_h, d_inner, 2);
      place.store(s.d_inner, d_inner);
      place.store(s.dh, dh * z);
    });
  }
};

/// f(Cell) with the type of that kind.
template <class T, class F>
void visit_cell(RecurrentCell cell, F f) {
  switch (cell) {
    case RecurrentCell::rnn_tanh:
      return f(RnnCell<T, false>());
    case RecurrentCell::rnn_relu:
      return f(RnnCell<T, true>());
    case RecurrentCell::lstm:
      return f(LstmCell<T>());
    case RecurrentCell::gru:
      return f(GruCell<T>());
  }
}

}  // namespace rapt::kernels
