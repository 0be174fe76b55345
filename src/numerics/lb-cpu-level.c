/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-cpu-level.h"

#define NOT_ASKED_YET -1

static int level_in_force = NOT_ASKED_YET;

static LbCpuLevel
find_highest (void)
{
#if defined(__x86_64__)
  __builtin_cpu_init ();
  if (!__builtin_cpu_supports ("avx2") || !__builtin_cpu_supports ("fma") || !__builtin_cpu_supports ("bmi2"))
    return LB_CPU_GENERIC;
  if (__builtin_cpu_supports ("avx512f") && __builtin_cpu_supports ("avx512bw") &&
      __builtin_cpu_supports ("avx512cd") && __builtin_cpu_supports ("avx512dq") &&
      __builtin_cpu_supports ("avx512vl"))
    return LB_CPU_AVX512;
  return LB_CPU_AVX2;
#else
  return LB_CPU_GENERIC;
#endif
}

/**
 * lb_cpu_level_get:
 *
 * Returns: the level in force
 */
LbCpuLevel
lb_cpu_level_get (void)
{
  int level = g_atomic_int_get (&level_in_force);

  return level != NOT_ASKED_YET ? (LbCpuLevel) level : lb_cpu_level_set (LB_CPU_AVX512);
}

/**
 * lb_cpu_level_set:
 * @level: the highest level to use
 *
 * Returns: the level in force from now on
 */
LbCpuLevel
lb_cpu_level_set (LbCpuLevel level)
{
  const LbCpuLevel chosen = MIN (level, find_highest ());

  g_atomic_int_set (&level_in_force, (int) chosen);
  return chosen;
}

/**
 * lb_cpu_level_get_name:
 *
 * Returns: (transfer none): the name, not translated
 */
const char *
lb_cpu_level_get_name (LbCpuLevel level)
{
  static const char *const names[] = { "generic", "AVX2", "AVX-512" };

  g_return_val_if_fail ((guint) level < G_N_ELEMENTS (names), NULL);

  return names[level];
}
