#pragma once

/// All of rapt.

#include "rapt/autograd/autograd.h"
#include "rapt/data/data.h"
#include "rapt/nn/nn.h"
#include "rapt/optim/optim.h"
#include "rapt/training/training.h"
