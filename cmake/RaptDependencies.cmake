# What rapt stands on, all of it from the distribution. None of it shows in a public header.
find_package(Threads REQUIRED)
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
find_package(nlohmann_json 3.9 REQUIRED)
find_package(ZLIB REQUIRED)

# By its header: the CMake file of Ubuntu 22.04's libcereal-dev names a folder that is not there.
find_path(RAPT_CEREAL_INCLUDE_DIR NAMES cereal/cereal.hpp)
if(NOT RAPT_CEREAL_INCLUDE_DIR)
  message(FATAL_ERROR "rapt needs cereal (Debian, Ubuntu: libcereal-dev)")
endif()

find_library(RAPT_OPENBLAS_LIBRARY NAMES openblas)
find_path(RAPT_OPENBLAS_INCLUDE_DIR NAMES cblas.h PATH_SUFFIXES openblas openblas-pthread)
if(NOT RAPT_OPENBLAS_LIBRARY OR NOT RAPT_OPENBLAS_INCLUDE_DIR)
  message(FATAL_ERROR "rapt needs OpenBLAS and its cblas.h (Debian, Ubuntu: libopenblas-dev)")
endif()
