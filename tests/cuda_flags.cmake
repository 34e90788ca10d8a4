# Compiles kernels with FLAGS by NVCC in FOLDER: a clean one must pass, one whose array lives in memory and one that warns
# must not.
if(NOT NVCC)
  message("TACIT-SKIP: no CUDA compiler")
  return()
endif()
file(MAKE_DIRECTORY "${FOLDER}")

function(compiles name code expected complaint)
  file(WRITE "${FOLDER}/${name}.cu" "${code}")
  foreach(arch 80 90)
    execute_process(COMMAND "${NVCC}" -std=c++17 -O3 ${FLAGS} -gencode=arch=compute_${arch},code=sm_${arch} -cubin
      -o "${FOLDER}/${name}.cubin" "${FOLDER}/${name}.cu" RESULT_VARIABLE status ERROR_VARIABLE errors OUTPUT_VARIABLE output)
    set(passed OFF)
    if(status EQUAL 0)
      set(passed ON)
    endif()
    if(NOT passed STREQUAL expected)
      message(FATAL_ERROR "${name}, sm_${arch}: expected to compile ${expected} but got ${passed}:\n${output}${errors}")
    endif()
    if(NOT "${output}${errors}" MATCHES "${complaint}")
      message(FATAL_ERROR "${name}, sm_${arch}: expected '${complaint}' but got:\n${output}${errors}")
    endif()
  endforeach()
endfunction()

compiles(clean "__global__ void f(float* x) { x[threadIdx.x] *= 2;}" ON "")
compiles(in_memory "__global__ void f(float* x, const int* at, int n) {
  float a[64];
  for (int i = 0; i < 64; ++i) a[i] = x[i];
  for (int i = 0; i < n; ++i) a[at[i]] += a[at[i + 1]];
  for (int i = 0; i < 64; ++i) x[i] = a[i];
}" OFF "[Ll]ocal memory")
compiles(warned "__global__ void f(float* x) { int unused = 3; x[0] = 1;}" OFF "unused")
