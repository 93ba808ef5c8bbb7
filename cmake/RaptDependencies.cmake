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

# It has no CMake file of its own.
find_library(RAPT_UTF8PROC_LIBRARY NAMES utf8proc)
find_path(RAPT_UTF8PROC_INCLUDE_DIR NAMES utf8proc.h)
if(NOT RAPT_UTF8PROC_LIBRARY OR NOT RAPT_UTF8PROC_INCLUDE_DIR)
  message(FATAL_ERROR "rapt needs utf8proc (Debian, Ubuntu: libutf8proc-dev)")
endif()

# Can be done without: data::SentencePiece then says so.
set(RAPT_SENTENCEPIECE_LIBRARIES "")
if(RAPT_SENTENCEPIECE)
  find_library(RAPT_SENTENCEPIECE_LIBRARY NAMES sentencepiece)
  find_library(RAPT_SENTENCEPIECE_TRAIN_LIBRARY NAMES sentencepiece_train)
  if(RAPT_SENTENCEPIECE_LIBRARY AND RAPT_SENTENCEPIECE_TRAIN_LIBRARY)
    set(RAPT_SENTENCEPIECE_LIBRARIES ${RAPT_SENTENCEPIECE_LIBRARY}
                                     ${RAPT_SENTENCEPIECE_TRAIN_LIBRARY})
  endif()
endif()

find_library(RAPT_OPENBLAS_LIBRARY NAMES openblas)
find_path(RAPT_OPENBLAS_INCLUDE_DIR NAMES cblas.h PATH_SUFFIXES openblas openblas-pthread)
if(NOT RAPT_OPENBLAS_LIBRARY OR NOT RAPT_OPENBLAS_INCLUDE_DIR)
  message(FATAL_ERROR "rapt needs OpenBLAS and its cblas.h (Debian, Ubuntu: libopenblas-dev)")
endif()
