#pragma once

#include "../ops/record.h"

namespace rapt::fuzz {

/// Makes the record's drawn call, and checks what has to hold of any result:
/// - What is thrown is rapt::Error.
/// - The result and its gradients can be read, and have the shapes that they should.
/// - The gradient that a kernel gives and that of create_graph agree, and so do the results of
/// dense
///   arguments and of any others; inf and NaN too. Not of wild numbers: rounding decides there.
/// False when rapt refused the arguments; throws Finding when something does not hold.
bool check_call(const tests::OpRecord& op, const uint8_t* data, size_t size);

}  // namespace rapt::fuzz
