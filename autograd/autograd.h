#pragma once

/// Tensors, every function of them, and their gradients: all public headers of this folder.

#include "rapt/autograd/assign.h"
#include "rapt/autograd/create.h"
#include "rapt/autograd/dtype.h"
#include "rapt/autograd/error.h"
#include "rapt/autograd/gradient.h"
#include "rapt/autograd/gradient_check.h"
#include "rapt/autograd/hooks.h"
#include "rapt/autograd/misuse.h"
#include "rapt/autograd/named_tensors.h"
#include "rapt/autograd/ops.h"
#include "rapt/autograd/pool.h"
#include "rapt/autograd/print.h"
#include "rapt/autograd/random.h"
#include "rapt/autograd/recompute.h"
#include "rapt/autograd/record.h"
#include "rapt/autograd/scope.h"
#include "rapt/autograd/shape.h"
#include "rapt/autograd/tensor.h"
#include "rapt/autograd/threads.h"
