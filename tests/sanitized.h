/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

/* Whether AddressSanitizer is compiled in: 0 or 1. */
#if defined __SANITIZE_ADDRESS__
#define SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif
