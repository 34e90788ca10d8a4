set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# The time goes into BLAS and the kernels, which choose their own flags; -O3 elsewhere only costs build time.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

find_program(TACIT_MOLD mold)
if(TACIT_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

if(TACIT_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()

# The -Wno- up to maybe-uninitialized silence false alarms of GCC 12 on std::string (GCC bug 105329).
# Applied to the project's own targets only, never exported.
add_library(tacit_warnings INTERFACE)
target_compile_options(tacit_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wno-restrict -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread -Wno-maybe-uninitialized -Wno-unused-parameter -Wno-missing-field-initializers -fpch-preprocess>)

# A kernel that keeps registers in memory, or that a compiler warns of, does not build (tests/cuda_flags.cmake).
set(TACIT_CUDA_FLAGS --Werror all-warnings -Xptxas -warn-spills,-warn-lmem-usage,-Werror)

set(TACIT_HAS_CUDA OFF)
if(TACIT_CUDA)
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    if(NOT CMAKE_CUDA_ARCHITECTURES)
      set(CMAKE_CUDA_ARCHITECTURES 80 90)
    endif()
    enable_language(CUDA)
    set(CMAKE_CUDA_STANDARD 17)  # the newest that CMake 3.25 knows for CUDA
    set(CMAKE_CUDA_STANDARD_REQUIRED ON)
    set(CMAKE_CUDA_RUNTIME_LIBRARY Shared)  # the one that LibTorch loads; a second, static copy would keep its own state
    set(TACIT_HAS_CUDA ON)
  elseif(TACIT_CUDA STREQUAL "REQUIRED")
    message(FATAL_ERROR "TACIT_CUDA=REQUIRED but no CUDA compiler was found; put nvcc on PATH or set CMAKE_CUDA_COMPILER")
  endif()
endif()
message(STATUS "Tacit: CUDA kernels ${TACIT_HAS_CUDA}")
