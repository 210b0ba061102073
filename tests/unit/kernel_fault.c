/* SPDX-License-Identifier: Apache-2.0 */
/* kernel_fault.c - k_*() over libc, where one call fails */
#include "tests/unit/kernel_fault.h"

int kernel_fault_in;

#define K_FN(name) name
#define K_FAIL() (kernel_fault_in && --kernel_fault_in == 0)

#include "core/base/kernel_impl.inc"
