#pragma once

#include <algorithm>
#include <cstdint>

#include "rapt/autograd/kernels/block.h"
#include "rapt/autograd/kernels/ceil_div.h"
#include "rapt/autograd/kernels/reduce.h"
#include "rapt/autograd/kernels/runtime/parallel.h"
#include "rapt/autograd/threads.h"

namespace rapt::kernels {

/// Neighbouring columns of one plane of a Reduction, gone through together, row after row.
struct Columns {
  int64_t begin;   // the first one's first element, from the start of the tensor
  int64_t result;  // its place among the results [outer, inner]
  int64_t count;
};

/// f(columns) for all columns of all planes, in groups of at most `at_once`, and smaller ones where
/// each thread would not get one. What f makes of a column must not depend on its group.
template <class F>
void for_each_columns(const Reduction& r, int64_t at_once, F f) {
  const int64_t wanted = ceil_div(num_threads(), std::max<int64_t>(r.outer, 1));
  const int64_t narrow = ceil_div(ceil_div(r.inner, wanted), lanes) * lanes;
  const int64_t width = std::clamp<int64_t>(narrow, 4 * int64_t{lanes}, at_once);
  const int64_t groups = ceil_div(r.inner, width);
  const int64_t elements = std::max<int64_t>(1, r.middle * std::min(r.inner, width));
  parallel_for(r.outer * groups, std::max<int64_t>(1, elements_per_piece / elements),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t plane = i / groups, first = i % groups * width;
                   f(Columns{plane * r.middle * r.inner + first, plane * r.inner + first,
                             std::min(width, r.inner - first)});
                 }
               });
}

}  // namespace rapt::kernels
