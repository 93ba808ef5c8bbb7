#include "rapt/autograd/kernels/ctc.h"

#include <cmath>
#include <limits>

#include "rapt/autograd/graph/join.h"
#include "rapt/autograd/graph/storage.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/ops/detail/checks.h"

namespace rapt {
namespace {

void check_lengths(const char* op, const char* what, const Tensor& lengths, int64_t batch,
                   int64_t most) {
  require_dtype(op, what, lengths, Dtype::i64);
  if (lengths.shape() != Shape{batch}) {
    fail(op, ": wanted ", what, " [", batch, "]; got ", lengths.shape());
  }
  for (int64_t b = 0; b < batch; ++b) {
    const int64_t length = lengths.data<int64_t>()[b];
    if (length < 0 || length > most) {
      fail(op, ": wanted ", what, " in [0, ", most, "]; got ", length, " at ", b);
    }
  }
}

void check_classes(const char* op, const kernels::CtcProblem& p) {
  for (int64_t b = 0; b < p.batch; ++b) {
    for (int64_t i = 0; i < p.target_lengths[b]; ++i) {
      const int64_t target = p.targets[b * p.longest + i];
      if (target >= 0 && target < p.classes && target != p.blank) continue;
      fail(op, ": wanted targets in [0, ", p.classes, ") other than the blank, ", p.blank, "; got ",
           target, " at [", b, ", ", i, "]");
    }
  }
}

/// A problem's tensors, dense, which it points into.
struct CtcInputs {
  Tensor targets, lengths, target_lengths;
};

kernels::CtcProblem problem_of(const Tensor& x, const CtcInputs& in, int64_t blank) {
  return {x.size(0),
          x.size(1),
          x.size(2),
          in.targets.size(1),
          blank,
          in.targets.data<int64_t>(),
          in.lengths.data<int64_t>(),
          in.target_lengths.data<int64_t>()};
}

CtcInputs checked(const char* op, const Tensor& x, const Tensor& targets, const Tensor& lengths,
                  const Tensor& target_lengths, int64_t blank) {
  require_float(op, "log_probabilities", x);
  require_dtype(op, "targets", targets, Dtype::i64);
  if (x.rank() != 3 || targets.rank() != 2 || targets.size(0) != x.size(0)) {
    fail(op, ": wanted log_probabilities [B, T, C] and targets [B, S]; got ", x.shape(), " and ",
         targets.shape());
  }
  if (blank < 0 || blank >= x.size(2)) {
    fail(op, ": wanted a blank in [0, ", x.size(2), "); got ", blank);
  }
  require_defined(op, "lengths", lengths);
  require_defined(op, "target_lengths", target_lengths);
  const CtcInputs in{targets.contiguous(), lengths.contiguous(), target_lengths.contiguous()};
  check_lengths(op, "lengths", in.lengths, x.size(0), x.size(1));
  check_lengths(op, "target_lengths", in.target_lengths, x.size(0), targets.size(1));
  check_classes(op, problem_of(x, in, blank));
  return in;
}

// ---- in plain ops, for derivatives of higher order ---------------------------------------------

// In place of log 0, so that no difference of two is NaN.
constexpr double almost_nothing = -1e30;

/// Each target with a blank before, between and behind its classes: [B, 2 S + 1].
Tensor places_of(const Tensor& targets, int64_t blank) {
  const int64_t batch = targets.size(0), longest = targets.size(1);
  const Tensor blanks = full({batch, longest, 1}, static_cast<double>(blank), Dtype::i64);
  const Tensor pairs = concat({blanks, unsqueeze(targets, 2)}, 2);  // [B, S, 2]
  const Tensor last = full({batch, 1}, static_cast<double>(blank), Dtype::i64);
  return concat({reshape(pairs, {batch, 2 * longest}), last}, 1);
}

/// The columns moved to the right.
Tensor moved(const Tensor& x, int64_t by) {
  const int64_t width = x.size(1), some = std::min(by, width);
  const Tensor before = full({x.size(0), some}, almost_nothing, x.dtype());
  return concat({before, slice(x, 1, 0, width - some)}, 1);
}

/// -log of the probability of each target, [B].
Tensor ctc_definition(const Tensor& x, const CtcInputs& in, int64_t blank) {
  const int64_t batch = x.size(0), frames = x.size(1), width = 2 * in.targets.size(1) + 1;
  if (frames == 0 || batch == 0) return sum(x, {1, 2});
  // What stands behind a target is not looked at, but has to be a class.
  const Tensor behind = arange(in.targets.size(1)) >= unsqueeze(in.target_lengths, 1);
  const Tensor places = places_of(masked_fill(in.targets, behind, blank), blank);
  Tensor two_before = full({batch, width}, static_cast<double>(blank), Dtype::i64);
  if (width > 2) {
    two_before = concat({slice(two_before, 1, 0, 2), slice(places, 1, 0, width - 2)}, 1);
  }
  const Tensor no_skip = logical_or(places == blank, places == two_before);
  const Tensor emitted = gather(x, 2, expand(unsqueeze(places, 1), {batch, frames, width}));
  const Tensor lengths = unsqueeze(in.lengths, 1);  // [B, 1]

  const Tensor at_start = arange(width) < 2;
  Tensor alpha = masked_fill(select(emitted, 1, 0), logical_not(at_start), almost_nothing);
  for (int64_t t = 1; t < frames; ++t) {
    const Tensor skipped = masked_fill(moved(alpha, 2), no_skip, almost_nothing);
    const Tensor next =
        logsumexp(stack({alpha, moved(alpha, 1), skipped}, 0), {0}) + select(emitted, 1, t);
    alpha = where(lengths > t, next, alpha);
  }
  const Tensor last = unsqueeze(in.target_lengths * 2, 1);  // [B, 1]
  const Tensor ends = logical_or(arange(width) == last, arange(width) == last - 1);
  const Tensor losses = -logsumexp(masked_fill(alpha, logical_not(ends), almost_nothing), {1});
  return masked_fill(losses, in.lengths == 0, 0);  // no frame has a say there
}

Tensor ctc_losses(const char* op, const Tensor& x, const Tensor& targets, const Tensor& lengths,
                  const Tensor& target_lengths, const CtcOptions& options) {
  const CtcInputs in = checked(op, x, targets, lengths, target_lengths, options.blank);
  const int64_t blank = options.blank;
  const Tensor dense = x.detach().contiguous();
  const kernels::CtcProblem p = problem_of(dense, in, blank);
  const Tensor alpha = empty({p.batch, p.frames, p.places()}, Dtype::f64);
  const Tensor losses = empty({p.batch}, Dtype::f64);
  visit_float(x.dtype(), [&]<class T>(T) {
    kernels::ctc(p, dense.data<T>(), fresh_data<double>(alpha), fresh_data<double>(losses));
  });
  const Tensor without_path = losses == std::numeric_limits<double>::infinity();
  const Tensor y = options.zero_infinity ? masked_fill(losses, without_path, 0) : losses;
  return join_graph(
      op, {x}, y.to(x.dtype()),
      [x, in, blank, alpha, losses, without_path](const Backward& b) -> Gradients {
        if (b.create_graph) {
          const Tensor cotangent = masked_fill(b.grad, without_path, 0);
          return differentiate([&](const Tensors& of) { return ctc_definition(of[0], in, blank); },
                               {x}, b, cotangent);
        }
        const Tensor input = x.detach().contiguous(), g = b.grad.contiguous();
        const Tensor dx = empty(input.shape(), input.dtype());
        visit_float(input.dtype(), [&]<class T>(T) {
          kernels::ctc_backward(problem_of(input, in, blank), input.data<T>(), alpha.data<double>(),
                                losses.data<double>(), g.data<T>(), fresh_data<T>(dx));
        });
        return {dx};
      });
}

}  // namespace

Tensor ctc_loss_each(const Tensor& log_probabilities, const Tensor& targets, const Tensor& lengths,
                     const Tensor& target_lengths, const CtcOptions& options) {
  return ctc_losses("ctc_loss_each", log_probabilities, targets, lengths, target_lengths, options);
}

Loss ctc_loss(const Tensor& log_probabilities, const Tensor& targets, const Tensor& lengths,
              const Tensor& target_lengths, const CtcOptions& options) {
  const Tensor each =
      ctc_losses("ctc_loss", log_probabilities, targets, lengths, target_lengths, options);
  return {sum(each), static_cast<double>(each.numel())};
}

}  // namespace rapt
