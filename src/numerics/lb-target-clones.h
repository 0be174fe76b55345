/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/*
 * LB_TARGET_CLONES before a function makes the compiler build it once for each
 * level of the x86-64 instruction set; the machine picks its own when the
 * program starts. For functions that are loops over arrays: plain arithmetic,
 * no calls but of G_ALWAYS_INLINE functions. Every level gives the same values
 * as long as nothing is contracted or reordered (-ffp-contract=off, no
 * -ffast-math) and no function of libm is called.
 *
 * Empty where it does not work: other compilers and machines, and sanitizers,
 * whose start-up comes after the choice.
 */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define LB_TARGET_CLONES
#endif
#endif

#ifndef LB_TARGET_CLONES
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) &&                 \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define LB_TARGET_CLONES __attribute__ ((target_clones ("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define LB_TARGET_CLONES
#endif
#endif
