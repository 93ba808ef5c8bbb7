#include "rapt/autograd/tensor_or_number.h"

#include "rapt/autograd/error.h"

namespace rapt {

void TensorOrNumber::fail_inexact(int64_t number) {
  fail("tensor: wanted an integer that a double holds, up to 2^53; got ", number,
       " (make a tensor of it with from_values)");
}

}  // namespace rapt
