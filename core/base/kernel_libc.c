/* SPDX-License-Identifier: Apache-2.0 */
/* kernel_libc.c - k_*() over libc */
#define K_FN(name) name

#include "core/base/kernel_impl.inc"
