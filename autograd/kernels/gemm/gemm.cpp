#include "rapt/autograd/kernels/gemm/gemm.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <type_traits>

#include "rapt/autograd/error.h"
#include "rapt/autograd/kernels/gemm/blas.h"
#include "rapt/autograd/kernels/gemm/packed.h"
#include "rapt/autograd/kernels/gemm/strips.h"
#include "rapt/autograd/kernels/runtime/parallel.h"
#include "rapt/autograd/kernels/strided.h"

namespace rapt::kernels {
namespace {

// Fewer rows than these meet a block of b before it is worth a copy.
constexpr int64_t rows_worth_packing = 64;

/// Of rows [row, row + rows), in the block of `depth` steps from `at` and `columns` from `column`.
Extent extent(const Band& band, int64_t row, int64_t rows, int64_t at, int64_t depth,
              int64_t column, int64_t columns) {
  Extent out{0, depth, 0, columns};
  const int64_t last = row + rows - 1;
  switch (band.operand) {
    case Band::Operand::none:
      break;
    case Band::Operand::c:
      out.column = std::clamp<int64_t>(row + band.lower - column, 0, columns);
      out.columns = std::clamp<int64_t>(last + band.upper + 1 - column, 0, columns);
      break;
    case Band::Operand::a:
      out.first = std::clamp<int64_t>(row + band.lower - at, 0, depth);
      out.last = std::clamp<int64_t>(last + band.upper + 1 - at, 0, depth);
      break;
    case Band::Operand::a_transposed:
      out.first = std::clamp<int64_t>(row - band.upper - at, 0, depth);
      out.last = std::clamp<int64_t>(last - band.lower + 1 - at, 0, depth);
      break;
  }
  return out;
}

/// `packed`: the blocks of b if they are there already, of which p.b starts at `packed_column`.
template <class T>
void tiled_gemm(const Product<T>& p, const PackedB<T>* packed = nullptr, int64_t packed_column = 0,
                const Band& band = {}) {
  const WorkspaceHere<T> memory;
  for (int64_t column = 0; column < p.n; column += columns_per_block) {
    const int64_t columns = std::min(columns_per_block, p.n - column);
    const bool readable = p.b.column_stride == 1 && columns % Tile<T>::lanes == 0;
    const bool in_place = packed == nullptr && readable && p.m <= rows_worth_packing;
    int64_t at = 0;
    do {  // once for an empty sum too: c still has to be set
      const int64_t depth = std::min(depth_per_block, p.k - at);
      const Matrix<const T> b = p.b.at(at, column);
      Panels<T> panels{b.data, !in_place, b.row_stride, depth, columns};
      if (packed != nullptr) {
        panels = packed->block(at, packed_column + column);
      } else if (!in_place) {
        PackedPanels<T>::pack(b, depth, columns, memory->panels);
        panels.data = memory->panels;
      }
      const bool first = at == 0;
      const Epilogue<T> epilogue{p.alpha, p.add || !first,
                                 first && p.bias != nullptr ? p.bias + column : nullptr};
      Strips<T> strips(p.a.at(0, at), p.m, depth, columns, memory->strips);
      for (int64_t row = 0; row < p.m; row += Tile<T>::rows) {
        const int64_t rows = std::min<int64_t>(Tile<T>::rows, p.m - row);
        const Extent e = extent(band, row, rows, at, depth, column, columns);
        compute_rows(rows, e, strips.at(row), panels, p.c.at(row, column).data, p.c.row_stride,
                     epilogue);
      }
      at += depth;
    } while (at < p.k);
  }
}

}  // namespace

template <class T>
bool is_readable(int64_t rows, int64_t columns, int64_t row_stride, int64_t column_stride) {
  return has_tiles<T> || is_dense(rows, columns, row_stride, column_stride);
}

template <class T>
void gemm(const Product<T>& p, const PackedB<T>* b, const Band& band) {
  if constexpr (has_tiles<T>) {
    tiled_gemm(p, b, 0, band);
  } else {
    const SingleThreadedBlas scope;
    blas_gemm(p);
  }
}

namespace {

// Some 10 microseconds: worth a thread, and short enough to end together.
constexpr double flops_per_piece = 2e6;
// More than these are of no use to the cores of one machine, and cost copies of b.
constexpr double most_pieces = 64;
// The columns and rows of a piece, at least. tall: rows of a piece that make packing b for it alone
// cheap, one copy for 96 multiply-adds.
constexpr int64_t narrowest = 32, shortest = 32, tall = 96;
// What is packed at a time: it should stay in the cache that the cores share.
constexpr int64_t bytes_packed_at_once = int64_t{4} << 20;

double flops(int64_t m, int64_t n, int64_t k) {
  return 2.0 * static_cast<double>(m) * static_cast<double>(n) *
         static_cast<double>(std::max<int64_t>(k, 1));
}

/// How one product is cut: into pieces of `rows` x `columns`.
struct BlockSize {
  int64_t rows, columns;
};

/// Blocks of columns, in as many pieces as are wanted.
BlockSize blocks_of_columns(int64_t m, int64_t n, int64_t wanted) {
  const int64_t down =
      std::clamp<int64_t>(wanted / ceil_div(n, columns_per_block), 1, ceil_div(m, shortest));
  return {std::min(m, ceil_div(ceil_div(m, down), shortest) * shortest),
          std::min(n, columns_per_block)};
}

/// Tall and narrow: every piece packs the part of b that it needs, while a is read in place.
BlockSize blocks_of_rows(int64_t m, int64_t n, int64_t wanted) {
  int64_t columns = std::min(n, columns_per_block);
  while (columns > narrowest && ceil_div(n, columns) * ceil_div(m, tall) < wanted) columns /= 2;
  columns = ceil_div(columns, narrowest) * narrowest;
  const int64_t down = std::max<int64_t>(1, wanted / ceil_div(n, columns));
  return {std::min(m, ceil_div(ceil_div(m, down), shortest) * shortest), std::min(n, columns)};
}

/// The part of a product that is c's `rows` x `columns` from (row, column) on.
template <class T>
Product<T> part_of(const Product<T>& p, int64_t row, int64_t rows, int64_t column,
                   int64_t columns) {
  Product<T> part = p;
  part.m = std::min(rows, p.m - row);
  part.n = std::min(columns, p.n - column);
  part.a = p.a.at(row, 0);
  part.b = p.b.at(0, column);
  part.c = p.c.at(row, column);
  if (p.bias != nullptr) part.bias = p.bias + column;
  return part;
}

/// The pieces of one product.
template <class T>
class Pieces {
 public:
  /// may_share: b may be packed once for all of them, before the first one runs.
  Pieces(const Product<T>& p, bool may_share) : whole_(p), piece_{p.m, p.n} {
    const auto wanted =
        static_cast<int64_t>(std::clamp(flops(p.m, p.n, p.k) / flops_per_piece, 1.0, most_pieces));
    if (has_tiles<T> && may_share && wanted > 1 && p.m >= 2 * tall) {
      piece_ = blocks_of_columns(p.m, p.n, wanted);
      packed_.emplace(p.b, p.k, p.n);
    } else if (wanted > 1) {
      piece_ = blocks_of_rows(p.m, p.n, wanted);
    }
    across_ = ceil_div(p.n, piece_.columns);
    count_ = ceil_div(p.m, piece_.rows) * across_;
  }

  int64_t count() const { return count_; }
  double flops_of_one() const { return flops(piece_.rows, piece_.columns, whole_.k); }
  /// What has to be packed first.
  int64_t panels() const { return packed_ ? packed_->panels() : 0; }
  void pack(int64_t panel) const { packed_->pack(panel); }

  Product<T> operator[](int64_t i) const {
    return part_of(whole_, i / across_ * piece_.rows, piece_.rows, i % across_ * piece_.columns,
                   piece_.columns);
  }
  void run(int64_t i) const {
    if (packed_) {
      tiled_gemm((*this)[i], &*packed_, i % across_ * piece_.columns);
    } else {
      gemm<T>((*this)[i]);
    }
  }

 private:
  Product<T> whole_;
  BlockSize piece_;
  int64_t across_, count_;
  std::optional<PackedB<T>> packed_;
};

/// parallel_for one by one, over things that may call BLAS.
template <class T>
void run_all(int64_t count, int64_t grain, FunctionRef<void(int64_t)> one) {
  const auto run = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) one(i);
  };
  if constexpr (has_tiles<T>) {
    parallel_for(count, grain, run);
  } else {
    const SingleThreadedBlas scope;
    parallel_for(count, grain, run);
  }
}

/// f(pieces, i) for all i below the count of each.
template <class T, class Count, class F>
void run_together(const PoolVector<Pieces<T>>& all, Count count, F f) {
  int64_t total = 0;
  for (const Pieces<T>& pieces : all) total += count(pieces);
  run_all<T>(total, 1, [&](int64_t i) {
    size_t at = 0;
    for (; i >= count(all[at]); ++at) i -= count(all[at]);
    f(all[at], i);
  });
}

template <class T>
void check_lengths(const Product<T>& p) {
  constexpr int64_t longest = std::numeric_limits<int32_t>::max();  // OpenBLAS counts in int
  if (std::max({p.m, p.n, p.k}) > longest) {
    fail("matmul: wanted lengths below 2^31; got ", p.m, " x ", p.k, " x ", p.n);
  }
}

}  // namespace

template <class T>
void gemms(std::span<const Product<T>> products) {
  PoolVector<Pieces<T>> all;
  int64_t bytes = 0;
  const auto run = [&] {
    run_together(
        all, [](const Pieces<T>& p) { return p.panels(); },
        [](const Pieces<T>& p, int64_t i) { p.pack(i); });
    run_together(
        all, [](const Pieces<T>& p) { return p.count(); },
        [](const Pieces<T>& p, int64_t i) { p.run(i); });
    all.clear();
    bytes = 0;
  };
  for (const Product<T>& p : products) {
    if (p.m == 0 || p.n == 0) continue;
    check_lengths(p);
    const int64_t bytes_of_column = static_cast<int64_t>(sizeof(T)) * std::max<int64_t>(p.k, 1);
    const int64_t fit = bytes_packed_at_once / bytes_of_column / columns_per_block;
    const int64_t width = std::max<int64_t>(fit, 1) * columns_per_block;
    for (int64_t column = 0; column < p.n; column += width) {
      const Product<T> part = part_of(p, 0, p.m, column, width);
      if (bytes > 0 && bytes + part.n * bytes_of_column > bytes_packed_at_once) run();
      all.emplace_back(part, true);
      bytes += part.n * bytes_of_column;
    }
  }
  run();
}

void gemm_of_few_rows(const Product<float>& p, const PackedB<float>& b) {
  if constexpr (has_tiles<float>) {
    check_lengths(p);
    // A few rows wait for b: for one, a flop takes 3 to 10 times what it does in a large product.
    const double work =
        std::max(8 * flops(1, columns_per_block, p.k), flops(p.m, columns_per_block, p.k));
    const auto grain = std::max<int64_t>(1, static_cast<int64_t>(flops_per_piece / work));
    parallel_for(ceil_div(p.n, columns_per_block), grain, [&](int64_t begin, int64_t end) {
      const int64_t column = begin * columns_per_block;
      tiled_gemm(part_of(p, 0, p.m, column, (end - begin) * columns_per_block), &b, column);
    });
  }
}

template <class T>
void batched_gemm(const BatchedGemm<T>& all) {
  const Product<T>& p = all.first;
  const int64_t products = all.batch.numel();
  if (products == 0 || p.m == 0 || p.n == 0) return;
  if (products == 1) return gemms<T>({&p, 1});
  check_lengths(p);
  const Pieces<T> pieces(p, false);
  const auto grain =
      std::max<int64_t>(1, static_cast<int64_t>(flops_per_piece / pieces.flops_of_one() / 16));
  run_all<T>(products * pieces.count(), grain, [&](int64_t i) {
    const int64_t product = i / pieces.count();
    Product<T> part = pieces[i % pieces.count()];
    part.a.data += offset_of(all.batch, all.a_batch, product);
    part.b.data += offset_of(all.batch, all.b_batch, product);
    part.c.data += product * all.c_batch;
    gemm<T>(part);
  });
}

#define RAPT_INSTANTIATE(T)                                              \
  template bool is_readable<T>(int64_t, int64_t, int64_t, int64_t);      \
  template void gemm(const Product<T>&, const PackedB<T>*, const Band&); \
  template void gemms(std::span<const Product<T>>);                      \
  template void batched_gemm(const BatchedGemm<T>&);
RAPT_INSTANTIATE(float)
RAPT_INSTANTIATE(double)
#undef RAPT_INSTANTIATE

}  // namespace rapt::kernels
