#pragma once

#include <algorithm>
#include <cstdint>

#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/reduce.h"
#include "rapt/autograd/kernels/runtime/parallel.h"

namespace rapt::kernels {

/// Neighbouring columns of one plane of a Reduction, gone through together, row after row.
struct Columns {
  int64_t begin;   // the first one's first element, from the start of the tensor
  int64_t result;  // its place among the results [outer, inner]
  int64_t count;
};

/// f(columns) for all columns of all planes, in groups of at most `at_once`, spread over the
/// threads.
template <class F>
void for_each_columns(const Reduction& r, int64_t at_once, F f) {
  const int64_t groups = ceil_div(r.inner, at_once);
  const int64_t elements = std::max<int64_t>(1, r.middle * std::min(r.inner, at_once));
  parallel_for(r.outer * groups, std::max<int64_t>(1, elements_per_piece / elements),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t plane = i / groups, first = i % groups * at_once;
                   f(Columns{plane * r.middle * r.inner + first, plane * r.inner + first,
                             std::min(at_once, r.inner - first)});
                 }
               });
}

}  // namespace rapt::kernels
