# External packages. Each one is named once, here; MensuraConfig.cmake.in repeats what a consumer needs.
find_package(MPI REQUIRED COMPONENTS C CXX)
set(HDF5_PREFER_PARALLEL TRUE)
find_package(HDF5 REQUIRED COMPONENTS C)
if(NOT HDF5_IS_PARALLEL)
  message(FATAL_ERROR "HDF5 at ${HDF5_INCLUDE_DIRS} is serial. Mensura needs parallel HDF5 "
                      "(Debian: libhdf5-openmpi-dev, Spack: hdf5+mpi, or set HDF5_ROOT).")
endif()
find_package(PkgConfig REQUIRED)
pkg_search_module(PETSC REQUIRED IMPORTED_TARGET PETSc petsc)
find_package(Eigen3 3.4 REQUIRED NO_MODULE)
find_package(Boost 1.70 REQUIRED)
find_package(fmt REQUIRED)
find_package(CLI11 REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
pkg_check_modules(MUPARSER REQUIRED IMPORTED_TARGET muparser)
find_path(RANDOM123_INCLUDE_DIR Random123/philox.h REQUIRED)
# Headers only, of the transport solver alone: a consumer needs none of it.
find_path(LEMON_INCLUDE_DIR lemon/network_simplex.h REQUIRED)

add_library(mensura_hdf5 INTERFACE)
add_library(Mensura::hdf5 ALIAS mensura_hdf5)
target_include_directories(mensura_hdf5 SYSTEM INTERFACE ${HDF5_INCLUDE_DIRS})
target_compile_definitions(mensura_hdf5 INTERFACE ${HDF5_DEFINITIONS})
target_link_libraries(mensura_hdf5 INTERFACE ${HDF5_LIBRARIES} MPI::MPI_C)

# Debian's yaml-cpp 0.7 exports the target "yaml-cpp", newer ones "yaml-cpp::yaml-cpp".
if(NOT TARGET yaml-cpp::yaml-cpp)
  add_library(yaml-cpp::yaml-cpp ALIAS yaml-cpp)
endif()

# The reference BLAS is 15 times slower than OpenBLAS and changes digits; say which one is linked.
find_package(LAPACK REQUIRED)
message(STATUS "LAPACK and BLAS: ${LAPACK_LIBRARIES} ${BLAS_LIBRARIES}")
