#pragma once

/// Optimizers and what goes with them: all public headers of this folder.

#include "rapt/optim/adam.h"
#include "rapt/optim/clip.h"
#include "rapt/optim/optimizer.h"
#include "rapt/optim/schedule.h"
