#pragma once

/// Data in and out: datasets, batches, the toy tasks, text, and files of tensors.

#include "rapt/autograd/values.h"
#include "rapt/data/atomic_file.h"
#include "rapt/data/checkpoint.h"
#include "rapt/data/collate.h"
#include "rapt/data/compose.h"
#include "rapt/data/dataset.h"
#include "rapt/data/inspect.h"
#include "rapt/data/loader.h"
#include "rapt/data/numbered.h"
#include "rapt/data/safetensors.h"
#include "rapt/data/shuffle.h"
#include "rapt/data/tasks.h"
#include "rapt/data/text.h"
#include "rapt/data/utf8.h"
#include "rapt/data/vocabulary.h"
