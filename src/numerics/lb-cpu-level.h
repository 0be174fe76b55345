/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Which instructions the hand-written kernels use: chosen once, when first
 * asked. Values do not depend on it, only speed.
 */
typedef enum
{
  LB_CPU_GENERIC, /* what the compiler's default allows; every other machine, arm64 included */
  LB_CPU_AVX2,    /* x86-64-v3 */
  LB_CPU_AVX512,  /* x86-64-v4 */
} LbCpuLevel;

/* The highest level of this machine, or the one that lb_cpu_level_set() asked for. */
LbCpuLevel lb_cpu_level_get (void);
/* Asks for @level or the highest that this machine has, whichever is lower; for
 * tests and benchmarks, while no kernel runs. Returns the level in force. */
LbCpuLevel lb_cpu_level_set (LbCpuLevel level);
/* "generic", "AVX2", "AVX-512". */
const char *lb_cpu_level_get_name (LbCpuLevel level);

G_END_DECLS
