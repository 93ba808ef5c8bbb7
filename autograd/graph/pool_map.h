#pragma once

// Private to rapt's own sources.

#include <functional>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "rapt/autograd/pool.h"

namespace rapt {

/// Sets and maps whose memory one training step gives to the next.
template <class Key>
using PoolSet = std::unordered_set<Key, std::hash<Key>, std::equal_to<Key>, PoolAllocator<Key>>;
template <class Key, class T>
using PoolMap = std::unordered_map<Key, T, std::hash<Key>, std::equal_to<Key>,
                                   PoolAllocator<std::pair<const Key, T>>>;

}  // namespace rapt
