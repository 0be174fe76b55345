#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# check-format.sh FOLDER: every source is formatted as .clang-format says; TAP.
cd "$1" || exit 1
echo "1..1"
if find src drivers calibration tests -name '*.[ch]' -print0 | xargs -0 clang-format-14 --dry-run -Werror 2>&1 | sed 's/^/# /' | head -n 40 | grep .; then
  echo "not ok 1 /tree/sources-are-formatted"
  exit 1
fi
echo "ok 1 /tree/sources-are-formatted"
