#pragma once

/// Optimizers and what goes with them: all public headers of this folder.

#include "rapt/optim/adadelta.h"
#include "rapt/optim/adafactor.h"
#include "rapt/optim/adagrad.h"
#include "rapt/optim/adam.h"
#include "rapt/optim/adamax.h"
#include "rapt/optim/clip.h"
#include "rapt/optim/elementwise.h"
#include "rapt/optim/gradient_noise.h"
#include "rapt/optim/lamb.h"
#include "rapt/optim/lbfgs.h"
#include "rapt/optim/lion.h"
#include "rapt/optim/muon.h"
#include "rapt/optim/nadam.h"
#include "rapt/optim/optimizer.h"
#include "rapt/optim/plateau.h"
#include "rapt/optim/radam.h"
#include "rapt/optim/rmsprop.h"
#include "rapt/optim/schedule.h"
#include "rapt/optim/sgd.h"
#include "rapt/optim/weight_average.h"
