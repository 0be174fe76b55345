/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * What a program and `lightbench-plane` say to each other. Two kinds of sockets,
 * both SOCK_SEQPACKET, so that a message comes whole or not at all:
 *
 * - the control socket, one a process, that it is started with. ADD brings the
 *   socket of a plane. Its end of file ends the process.
 * - a plane's socket. The process answers ADD on it with READY (or FAULT and end
 *   of file); BUFFERS brings the memory for patterns; from then on SHOW, BLANK,
 *   READ and CHECK. Its end of file makes the plane black at once.
 *
 * Patterns go through memory that both see: LB_PLANE_BUFFERS of them, one byte a
 * pixel, rows without gaps. SHOW says which one. A buffer is the process's until
 * it has answered PRESENTED for that ticket or a later one. The last buffer is
 * where READ writes to.
 *
 * Both ends run on one machine from one build: numbers are in its byte order, and
 * `version` is what tells builds apart.
 */
#define LB_PLANE_VERSION 1
#define LB_PLANE_BUFFERS 3
#define LB_PLANE_READ_BUFFER 2
/* Width and height of a plane, each at most. */
#define LB_PLANE_MAX_SIZE 16384

#define LB_PLANE_ERROR (lb_plane_error_quark ())
GQuark lb_plane_error_quark (void);
typedef enum
{
  LB_PLANE_ERROR_CLOSED,  /* end of file */
  LB_PLANE_ERROR_DAMAGED, /* not a message, or one that may not come here */
  LB_PLANE_ERROR_AGAIN,   /* nothing has come yet, or the other end does not read */
} LbPlaneError;

typedef enum
{
  LB_PLANE_ADD = 1,     /* program: `spec`; brings a socket */
  LB_PLANE_BUFFERS_ARE, /* program: width, height of the pattern; brings memory */
  LB_PLANE_SHOW,        /* program: ticket, buffer */
  LB_PLANE_BLANK,       /* program: ticket; 0: no answer is wanted */
  LB_PLANE_READ,        /* program: ticket */
  LB_PLANE_CHECK,       /* program: ticket */
  LB_PLANE_READY,       /* plane: width, height, rate_mhz, stamp, text: identity */
  LB_PLANE_PRESENTED,   /* plane: ticket, time_us, stamp */
  LB_PLANE_WAS_READ,    /* plane: ticket, wrong: pixels of a colour that is no level's */
  LB_PLANE_CHECKED,     /* plane: ticket, faults, text */
  LB_PLANE_FAULT,       /* plane: faults (those that hold now), text: what and what to do */
  LB_PLANE_N_KINDS,
} LbPlaneKind;

/* Bits of `faults`. */
typedef enum
{
  LB_PLANE_FAULT_COVERED = 1 << 0, /* not visible in full, or the monitor sleeps */
  LB_PLANE_FAULT_GAMMA = 1 << 1,   /* levels are changed on their way */
  LB_PLANE_FAULT_LOST = 1 << 2,    /* the monitor is gone, or not as it was */
  LB_PLANE_FAULT_STOP = 1 << 3,    /* the keys of STOP were pressed in its window */
  LB_PLANE_FAULT_ALL = (1 << 4) - 1,
} LbPlaneFaults;

typedef enum
{
  LB_PLANE_CHANNELS_GREY, /* R = G = B */
  LB_PLANE_CHANNELS_RED,
  LB_PLANE_CHANNELS_GREEN,
  LB_PLANE_CHANNELS_BLUE,
  /* More than 8 bits: the upper 8 in the first channel, the rest in the second. */
  LB_PLANE_CHANNELS_RED_GREEN,
  LB_PLANE_CHANNELS_GREEN_RED,
  LB_PLANE_CHANNELS_GREEN_BLUE,
  LB_PLANE_N_CHANNELS,
} LbPlaneChannels;

typedef enum
{
  LB_PLANE_FLIP_HORIZONTAL = 1 << 0,
  LB_PLANE_FLIP_VERTICAL = 1 << 1,
} LbPlaneFlip;

/* A plane on its monitor. */
typedef struct
{
  /* Of the monitor, in its pixels. */
  guint32 monitor_width, monitor_height; /* what it must have */
  guint32 x, y, width, height;           /* the region that is the plane */
  guint32 rate_mhz;                      /* what it must have; 0: any */
  /* How the pattern lies in the region: flipped first, then turned clockwise by
   * `quarter_turns`. At odd ones the pattern is as wide as the region is high. */
  guint32 flip;
  guint32 quarter_turns;
  guint32 channels;   /* LbPlaneChannels */
  guint32 bits;       /* of a drive value: 8; 9 to 16 where it fills two channels */
  guint16 drive[256]; /* drive value of each level, 0 to 2^bits - 1 */
} LbPlaneSpec;

typedef struct
{
  guint32 version;
  guint32 kind;
  guint64 ticket; /* of the program, rising from 1 */
  gint64 time_us; /* monotonic clock */
  guint32 stamp;  /* LbTimeStampKind */
  guint32 faults;
  guint32 buffer;
  guint32 width, height;
  guint32 rate_mhz;
  guint64 wrong;
  LbPlaneSpec spec;
  char text[512]; /* ends with a NUL; READY: maker, model, serial, connector, path, each on a line */
} LbPlaneMessage;

/* Empty message of that kind. */
void lb_plane_message_init (LbPlaneMessage *message, LbPlaneKind kind);
/* Cuts @text where it is too long, between characters. */
void lb_plane_message_set_text (LbPlaneMessage *message, const char *text);
/* Is it one that may come from a program, or from a plane (@from_plane)? Every
 * field that is used of it is in range then. */
gboolean lb_plane_message_check (const LbPlaneMessage *message, gboolean from_plane, GError **error);

/* Sends without waiting; @fd: goes with it, -1: none. CLOSED, AGAIN. */
gboolean lb_plane_send (int socket, const LbPlaneMessage *message, int fd, GError **error);
/* Receives without waiting. *@fd: what came with it, to be closed by the caller;
 * -1: nothing. CLOSED, AGAIN, DAMAGED. */
gboolean lb_plane_receive (int socket, LbPlaneMessage *message, gboolean from_plane, int *fd, GError **error);
/* Two ends that are closed on exec, and whose buffers hold a few messages. */
gboolean lb_plane_socket_pair (int sockets[2], GError **error);

/* Pattern of a plane, as the program makes it: the region, or that turned. */
void lb_plane_spec_get_pattern_size (const LbPlaneSpec *spec, guint *width, guint *height);
gboolean lb_plane_spec_check (const LbPlaneSpec *spec, GError **error);
/* "grey", "red-green", ...; for setup files. */
const char *lb_plane_channels_get_name (LbPlaneChannels channels);

/*
 * The memory for patterns. Made by the program, which seals its size: it cannot
 * shrink under the plane. @bytes of one buffer.
 */
int lb_plane_memory_new (gsize bytes, guint8 **data, GError **error);
guint8 *lb_plane_memory_map (int fd, gsize bytes, GError **error);
void lb_plane_memory_unmap (guint8 *data, gsize bytes);

G_END_DECLS
