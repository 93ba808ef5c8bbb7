#pragma once

/// Layers: all public headers of this folder.

#include "rapt/nn/attention/multi_head.h"
#include "rapt/nn/attention/self_attention.h"
#include "rapt/nn/dropout.h"
#include "rapt/nn/embedding.h"
#include "rapt/nn/feed_forward.h"
#include "rapt/nn/forward_hook.h"
#include "rapt/nn/generate.h"
#include "rapt/nn/gradient_flow.h"
#include "rapt/nn/init.h"
#include "rapt/nn/linear.h"
#include "rapt/nn/module.h"
#include "rapt/nn/normalization.h"
#include "rapt/nn/position/alibi.h"
#include "rapt/nn/position/attention_positions.h"
#include "rapt/nn/position/learned.h"
#include "rapt/nn/position/relative.h"
#include "rapt/nn/position/sinusoidal.h"
#include "rapt/nn/transformer.h"
