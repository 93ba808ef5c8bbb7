#include "rapt/autograd/dtype.h"

namespace rapt {

std::string_view name_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32:
      return "f32";
    case Dtype::f64:
      return "f64";
    case Dtype::i64:
      return "i64";
    case Dtype::b8:
      return "b8";
  }
  return "unknown";
}

int64_t size_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::f32:
      return 4;
    case Dtype::f64:
      return 8;
    case Dtype::i64:
      return 8;
    case Dtype::b8:
      return 1;
  }
  return 0;
}

}  // namespace rapt
