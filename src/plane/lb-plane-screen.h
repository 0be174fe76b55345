/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-device.h>
#include <lb-monitor.h>

#include "lb-plane-pixels.h"

G_BEGIN_DECLS

/* Regions of one monitor that are planes of their own. */
#define LB_PLANE_MAX_LAYERS 2

typedef struct _LbPlaneScreen LbPlaneScreen;

/* What a screen tells its host; in the main context. */
typedef struct
{
  /* Black stands there full screen, exactly as it should: layers may come. */
  void (*ready) (gpointer data);
  void (*presented) (guint layer, guint64 ticket, gint64 time_us, LbTimeStampKind stamp, gpointer data);
  /* All faults that hold now, and what to do about them; also when one is over.
   * LB_PLANE_FAULT_STOP: the keys were pressed. */
  void (*faults) (LbPlaneFaults faults, const char *text, gpointer data);
  gpointer data;
} LbPlaneListener;

/* Which monitor, and what it must be like. */
typedef struct
{
  LbMonitorChoice choice;
  guint width, height; /* pixels */
  guint rate_mhz;      /* 0: any */
} LbPlaneWish;

/*
 * LbPlaneScreen: a monitor that shows nothing but patterns. One class a way to
 * the pixels.
 */
typedef struct
{
  const char *name;
  /* Frees it; whatever it showed is gone. */
  void (*free) (LbPlaneScreen *self);
  const LbMonitor *(*get_monitor) (LbPlaneScreen *self);
  void (*add_layer) (LbPlaneScreen *self, guint layer, const LbPlanePixels *pixels);
  /* The region is black at once. */
  void (*remove_layer) (LbPlaneScreen *self, guint layer);
  /* @levels: a pattern; it may change once this has returned. */
  void (*show) (LbPlaneScreen *self, guint layer, const guint8 *levels, guint64 ticket);
  /* All black, at once. */
  void (*black) (LbPlaneScreen *self);
  /* Colours of the region as they really stand there, by a way of their own. */
  gboolean (*read_back) (LbPlaneScreen *self, guint layer, guint32 *colours, GError **error);
  /* Looks anew at what is not told by itself; @text: what is wrong, owned by the caller. */
  LbPlaneFaults (*check) (LbPlaneScreen *self, char **text);
} LbPlaneScreenClass;

struct _LbPlaneScreen
{
  const LbPlaneScreenClass *klass;
  LbPlaneListener listener;
  LbPlaneWish wish;
  LbTimeStampKind stamp; /* the best that it can give */
};

/* NULL with an error if the monitor is not there, or has another size. ready()
 * or faults() follows. */
LbPlaneScreen *
lb_plane_screen_new_x11 (const LbPlaneWish *wish, const LbPlaneListener *listener, GError **error);
LbPlaneScreen *
lb_plane_screen_new_gtk (const LbPlaneWish *wish, const LbPlaneListener *listener, GError **error);

/* Is @monitor of the size and rate that was asked for? */
gboolean lb_plane_wish_check (const LbPlaneWish *wish, const LbMonitor *monitor, GError **error);

G_END_DECLS
