#pragma once

/// Whole runs: all public headers of this folder.

#include "rapt/training/loop.h"
#include "rapt/training/metrics.h"
#include "rapt/training/state.h"
#include "rapt/training/stop_signal.h"
#include "rapt/training/verify.h"
