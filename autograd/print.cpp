#include "rapt/autograd/print.h"

#include <ostream>

namespace rapt {

std::ostream& operator<<(std::ostream& out, const Tensor& x) { return out << x.str(); }
std::ostream& operator<<(std::ostream& out, const Dims& list) { return out << list.str(); }
std::ostream& operator<<(std::ostream& out, Dtype dtype) { return out << name_of(dtype); }

}  // namespace rapt
