# Defines LibTorch::LibTorch from a LibTorch folder or an installed torch wheel.
#
# LibTorch's own TorchConfig.cmake demands a CUDA toolkit whenever the wheel was built with CUDA, also for a program that
# never uses it. Naming the libraries lets the same wheel serve machines with and without a toolkit.
#
# Input: TORCH_DIR, the folder that holds include/ and lib/; found on CMAKE_PREFIX_PATH or asked of Python when unset.
if(NOT TORCH_DIR)
  find_path(TORCH_DIR include/torch/script.h
    HINTS ${CMAKE_PREFIX_PATH} PATH_SUFFIXES .. ../.. torch libtorch DOC "Folder of LibTorch (holds include/ and lib/)")
endif()
if(NOT TORCH_DIR)
  find_package(Python3 COMPONENTS Interpreter QUIET)
  if(Python3_FOUND)
    execute_process(COMMAND "${Python3_EXECUTABLE}" -c "import torch, os; print(os.path.dirname(torch.__file__))"
      OUTPUT_VARIABLE tacit_torch_dir OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(tacit_torch_dir)
      set(TORCH_DIR "${tacit_torch_dir}" CACHE PATH "Folder of LibTorch (holds include/ and lib/)" FORCE)
    endif()
  endif()
endif()

set(LibTorch_VERSION "")
if(TORCH_DIR AND EXISTS "${TORCH_DIR}/include/torch/headeronly/version.h")
  file(STRINGS "${TORCH_DIR}/include/torch/headeronly/version.h" tacit_version_lines
    REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) [0-9]+")
  string(REGEX REPLACE "[^;]*TORCH_VERSION_[A-Z]+ ([0-9]+)" "\\1" tacit_version_lines "${tacit_version_lines}")
  list(JOIN tacit_version_lines "." LibTorch_VERSION)
endif()

# NO_CACHE: a build folder whose TORCH_DIR changes must not keep the libraries of the old one.
find_library(LibTorch_C10 c10 PATHS "${TORCH_DIR}/lib" NO_DEFAULT_PATH NO_CACHE)
find_library(LibTorch_OpenMP NAMES libgomp.so.1 gomp PATHS "${TORCH_DIR}/lib" NO_DEFAULT_PATH NO_CACHE)
find_library(LibTorch_CPU torch_cpu PATHS "${TORCH_DIR}/lib" NO_DEFAULT_PATH NO_CACHE)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch REQUIRED_VARS TORCH_DIR LibTorch_C10 LibTorch_CPU VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "set TORCH_DIR to a LibTorch folder or to site-packages/torch of an installed wheel (scripts/build does)")

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  set_target_properties(LibTorch::LibTorch PROPERTIES
    INTERFACE_INCLUDE_DIRECTORIES "${TORCH_DIR}/include;${TORCH_DIR}/include/torch/csrc/api/include"
    INTERFACE_COMPILE_DEFINITIONS "_GLIBCXX_USE_CXX11_ABI=1")
  # The CUDA half (torch_cuda) is not linked: loading it costs every process more than a second. lib/kernels/cuda_backend.h
  # loads it when a CUDA device is asked for.
  target_link_options(LibTorch::LibTorch INTERFACE "-Wl,-rpath,${TORCH_DIR}/lib" "-Wl,--allow-shlib-undefined")
  # Its OpenMP is ours: two would keep two pools of threads that compete. A LibTorch without one of its own uses the
  # system's.
  if(NOT LibTorch_OpenMP)
    set(LibTorch_OpenMP gomp)
  endif()
  target_link_libraries(LibTorch::LibTorch INTERFACE ${LibTorch_CPU} ${LibTorch_C10} ${LibTorch_OpenMP} ${CMAKE_DL_LIBS})
endif()
