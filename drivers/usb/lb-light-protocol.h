/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <stdatomic.h>

#include <lb-light-source.h>

G_BEGIN_DECLS

/*
 * What a program and its lightbench-light say to each other. Both are of one
 * build and on one computer; messages are the bytes of these structures over two
 * SOCK_SEQPACKET sockets:
 * - control: requests of the worker, each answered by a reply with its serial;
 *   end-of-file switches the light off and ends the process;
 * - stop: STOP alone, from any thread, not answered; end-of-file as above.
 * What is confirmed stands in a page of memory that both map.
 */
#define LB_LIGHT_PROTOCOL 1

typedef enum
{
  LB_LIGHT_OPEN,  /* opens the device, light off; replies with identity and range */
  LB_LIGHT_LEVEL, /* set point from now on */
  LB_LIGHT_HOLD,  /* light on at the set point, for lease_us */
  LB_LIGHT_RENEW, /* for lease_us from now on; refused once the light is off */
  LB_LIGHT_EXTINGUISH,
  LB_LIGHT_STATE, /* as the device says now */
  LB_LIGHT_STOP,  /* on the stop socket: off; older generations are refused */
} LbLightRequestKind;

typedef struct
{
  guint32 protocol, kind;
  guint64 serial; /* of the request; 0: the reply is not wanted */
  guint64 generation;
  gint64 lease_us;    /* at most 1 s */
  gint64 deadline_us; /* monotonic; -1: none */
  double level_ma;
} LbLightRequest;

typedef struct
{
  guint64 serial;
  gint32 code;       /* LbDeviceError; -1: done */
  char message[500]; /* of the error, translated */
  double level_ma;   /* set point that the device says */
  double minimum_ma, maximum_ma;
  LbLightSourceState state;
  char maker[64], model[64], number[64], firmware[64]; /* who the device says it is */
} LbLightReply;

/* Written by lightbench-light, read by any thread of the program. */
typedef struct
{
  atomic_uint may_be_on;           /* 0: the device has confirmed that it is off */
  atomic_uint_fast64_t generation; /* the last STOP after which it confirmed that */
} LbLightStatus;

#define LB_LIGHT_LEASE_MAX_US G_USEC_PER_SEC

G_END_DECLS
