#pragma once

#include <span>

#include "rapt/autograd/kernels/gemm/matrix.h"
#include "rapt/autograd/shape.h"

/// Matrix products. Those of f32 run on rapt's own tiles where the machine has vectors of eight
/// numbers or more: an element's sum is then added up in one order, whatever else the product
/// computes, and no other library's threads or settings have a say. f64, and machines without such
/// vectors, go to OpenBLAS.
namespace rapt::kernels {

template <class T>
class PackedB;  // packed.h

/// True when gemm can read a rows x columns matrix of T with those strides as it lies.
template <class T>
bool is_readable(int64_t rows, int64_t columns, int64_t row_stride, int64_t column_stride);

/// A product with a band, as causal and windowed attention have them: row i sees columns
/// i + lower <= j <= i + upper. Tiles outside are left out.
struct Band {
  static constexpr int64_t unbounded = int64_t{1} << 60;
  enum class Operand {
    none,
    c,            ///< only what is seen of c is wanted; the rest may be written or not
    a,            ///< a holds zeros where it does not see
    a_transposed  ///< a's transpose does
  };
  Operand operand = Operand::none;
  int64_t lower = -unbounded;
  int64_t upper = unbounded;
};

/// The product, in this thread. a and b are_readable. `packed`, if given, is p.b laid out before:
/// p.b then is its start, and p.n its columns or the first of them.
template <class T>
void gemm(const Product<T>& p, const PackedB<T>* packed = nullptr, const Band& band = {});

/// The product of a few rows, split over rapt's threads by blocks of columns: to the bit what gemms
/// gives. b is all of p.b, laid out before.
void gemm_of_few_rows(const Product<float>& p, const PackedB<float>& b);

/// Products that do not touch one another, split over rapt's threads together: none waits for the
/// last piece of another. Each matrix is_readable.
template <class T>
void gemms(std::span<const Product<T>> products);

/// A batch of products, split over rapt's threads into pieces that depend on the sizes alone. The
/// i-th product's offsets are those of the i-th index of `batch`, in row-major order.
template <class T>
struct BatchedGemm {
  Product<T> first;
  Shape batch;
  Strides a_batch, b_batch;  // one per axis of batch
  int64_t c_batch;           // from one product to the next
};
template <class T>
void batched_gemm(const BatchedGemm<T>& p);

}  // namespace rapt::kernels
