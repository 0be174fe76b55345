/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "lb-usb-bus.h"

G_BEGIN_DECLS

/*
 * LbUsbtmc: messages to and from one instrument, by USBTMC over libusb. One
 * thread at a time. After a time-out, a cancelled call, a STALL or an answer that
 * makes no sense the instrument is brought back to where it listens (abort,
 * clear), so that the next call starts afresh; one that cannot be brought back is
 * FAULTED. Every call returns by its deadline + 200 ms at the latest: up to 100 ms
 * for a transfer to be cancelled, 100 ms for the recovery.
 */
typedef struct _LbUsbtmc LbUsbtmc;

/* ABSENT, ACCESS, BUSY, PROTOCOL (no USBTMC interface). */
LbUsbtmc *lb_usbtmc_open (
    guint16 vendor, const guint16 products[2], const char *serial, const LbUsbCall *call, GError **error);
/* Gives the interface back to the kernel. */
void lb_usbtmc_close (LbUsbtmc *self);
gboolean lb_usbtmc_is_gone (LbUsbtmc *self);

/* Sends @text with a new line. */
gboolean lb_usbtmc_write (LbUsbtmc *self, const char *text, const LbUsbCall *call, GError **error);
/* Sends @text, returns the answer without white space at its end; caller frees.
 * An answer holds no NUL; it is at most 1 MiB long. */
char *lb_usbtmc_query (LbUsbtmc *self, const char *text, const LbUsbCall *call, GError **error);
/* Sends @text at once, whatever is under way, waiting for no answer and for no more
 * than @within_us: for what matters more than the state of the instrument. Calls
 * with last_words do that by themselves, before anything is aborted. */
void lb_usbtmc_shout (LbUsbtmc *self, const char *text, gint64 within_us);
/* INITIATE_CLEAR: both sides forget what is under way. */
gboolean lb_usbtmc_clear (LbUsbtmc *self, const LbUsbCall *call, GError **error);

/* For tests: bytes of message in one transfer, at least 1. */
void lb_usbtmc_set_chunk (LbUsbtmc *self, guint32 out, guint32 in);

G_END_DECLS
