#pragma once

#include "rapt/autograd/create.h"

/// Every function of tensors. A header for each family; its source stands beside it:
///
///   ops/arithmetic.h        sums, products, quotients and powers of two operands
///   ops/elementwise.h       functions of each element
///   ops/choice.h            maximum, clamp, where, masked_fill
///   ops/activation.h        relu, gelu and the other nonlinearities
///   ops/compare.h           comparisons and logic
///   ops/reduce.h            sums, extremes and the like over axes
///   ops/scan.h              sums, products and logsumexp so far, along an axis
///   ops/shape.h             the same elements under other shapes; pieces and joins
///   ops/arrange.h           flip, roll, repeat, pad; pieces
///   ops/diagonal.h          diagonals and triangles
///   ops/sort.h              sort, topk, median, unique
///   ops/index.h             elements by number, read
///   ops/scatter.h           elements by number, written
///   ops/products.h          matmul, linear, einsum
///   ops/normalize.h         softmax, norms, dropout
///   attention/attention.h   attention, with masks and scores as values
///   ops/rotary.h            rotary positions
///   ops/recurrent.h         rnn, lstm, gru: one layer over whole sequences
///   ops/loss.h              losses, as a sum and a count
///
/// Unless a line says otherwise: arguments are f32 or f64, all of one dtype; shapes broadcast as in
/// NumPy; the result is new, without gaps, in row-major order (of an elementwise function in that
/// of its first argument, which may be permuted); every function is differentiable to any order;
/// axes may be negative; sums and products of i64 wrap around at 64 bits, as PyTorch's; a bad
/// argument throws rapt::Error naming it. "View" means that the result shares the elements of its
/// argument.
///
/// NaN in, NaN out, but where a line says that something has no say. Where everything that counts
/// is -inf, weights are 0, and so is the gradient, whatever arrives. The gradient by a kernel and
/// that by create_graph are inf and NaN in the same places; docs/design.md, "Numbers at the edge",
/// has the exceptions.
#include "rapt/autograd/attention/attention.h"
#include "rapt/autograd/misuse.h"
#include "rapt/autograd/operators.h"
#include "rapt/autograd/ops/activation.h"
#include "rapt/autograd/ops/arithmetic.h"
#include "rapt/autograd/ops/arrange.h"
#include "rapt/autograd/ops/choice.h"
#include "rapt/autograd/ops/compare.h"
#include "rapt/autograd/ops/diagonal.h"
#include "rapt/autograd/ops/elementwise.h"
#include "rapt/autograd/ops/index.h"
#include "rapt/autograd/ops/loss.h"
#include "rapt/autograd/ops/normalize.h"
#include "rapt/autograd/ops/products.h"
#include "rapt/autograd/ops/recurrent.h"
#include "rapt/autograd/ops/reduce.h"
#include "rapt/autograd/ops/rotary.h"
#include "rapt/autograd/ops/scan.h"
#include "rapt/autograd/ops/scatter.h"
#include "rapt/autograd/ops/shape.h"
#include "rapt/autograd/ops/sort.h"
