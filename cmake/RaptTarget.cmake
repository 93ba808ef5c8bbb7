# How rapt's targets are compiled.

# Links each public folder (and rapt.h) into the build tree: the spelling of an include is then the
# same there as in an installed rapt. Each folder, not the root, or the tree would contain itself.
function(rapt_link_headers)
  set(include_dir ${PROJECT_BINARY_DIR}/include/rapt)
  file(MAKE_DIRECTORY ${include_dir})
  foreach(entry autograd nn optim data training rapt.h)
    file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${entry} ${include_dir}/${entry} SYMBOLIC)
  endforeach()
endfunction()

# Warnings and sanitizers for one of rapt's own targets.
function(rapt_compile_options target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # g++ 12 reports its own AVX-512 intrinsics, whose undefined operands are meant, and vector types
    # as template arguments, which Eigen is made of.
    target_compile_options(${target} PRIVATE -Wno-uninitialized -Wno-maybe-uninitialized
                                             -Wno-ignored-attributes)
  endif()
  if(RAPT_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(RAPT_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${RAPT_SANITIZE} -fno-omit-frame-pointer
                                             -fno-sanitize-recover=all)
    target_link_options(${target} PRIVATE -fsanitize=${RAPT_SANITIZE})
  endif()
endfunction()

function(rapt_configure_library)
  rapt_compile_options(rapt)
  target_compile_features(rapt PUBLIC cxx_std_20)
  set_target_properties(rapt PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON
                                        VERSION ${PROJECT_VERSION} SOVERSION 0)
  target_include_directories(rapt PUBLIC $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
                                         $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_include_directories(rapt SYSTEM PRIVATE ${RAPT_OPENBLAS_INCLUDE_DIR}
                                                 ${RAPT_CEREAL_INCLUDE_DIR}
                                                 ${RAPT_UTF8PROC_INCLUDE_DIR})
  # Private: a user of rapt is compiled with the user's flags. Never -ffast-math: masks need inf and
  # NaN to mean what they say. The first two flags change neither; they let loops be vectorised. A
  # product and a sum become one instruction, rounded once, only where the code says so (madd): which
  # ones a compiler would fuse is its own affair, and the bits must not depend on it.
  target_compile_options(rapt PRIVATE -fno-math-errno -fno-trapping-math -ffp-contract=off)
  if(RAPT_ARCH)
    target_compile_options(rapt PRIVATE -march=${RAPT_ARCH})
  endif()
  # Without optimisation the kernels are 60 to 80 times slower, and a user's Debug program with them.
  # These come behind the build type's flags. Release keeps its -O3.
  if(RAPT_OPTIMIZED AND NOT RAPT_SANITIZE)
    target_compile_options(rapt PRIVATE $<$<NOT:$<CONFIG:Release>>:-O2>)
    target_compile_definitions(rapt PRIVATE EIGEN_NO_DEBUG)
  endif()
  target_link_libraries(rapt
    PRIVATE ${RAPT_OPENBLAS_LIBRARY} ${RAPT_UTF8PROC_LIBRARY} ${RAPT_SENTENCEPIECE_LIBRARIES}
            Threads::Threads ZLIB::ZLIB
            $<BUILD_INTERFACE:Eigen3::Eigen>
            $<BUILD_INTERFACE:nlohmann_json::nlohmann_json>)
endfunction()
