/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include "fake-devices.h"

G_BEGIN_DECLS

/* A sequence to run, and what its sink was given. */
typedef struct
{
  const LbExposure *exposures;
  guint count, next;
  guint16 frames[64][4];
  guint64 tags[64];
  gint64 starts_us[64];
  guint taken;
  guint fail_after;     /* frames; 0: never */
  GCancellable *cancel; /* at the first frame */
  gulong sink_us;       /* that the sink takes */
} Plan;

/* Source and sink of the Plan @data. */
gboolean plan_source (LbExposure *exposure, gpointer data, GError **error);
gboolean plan_sink (const LbExposure *exposure, guint nth, LbFrame *frame, gpointer data, GError **error);
/* An LbBenchFunc: runs the Plan @data. */
gboolean run_plan (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error);
/* An LbBenchFunc that must not be reached. */
gboolean never_called (LbBench *bench, gpointer data, GCancellable *cancellable, GError **error);

/* Devices with a bench that is connected, and an empty log. */
FakeDevices *connected (FakeFlags flags);
LbPattern *level (guint8 grey);
/* A lit exposure of each plane's pattern. */
LbExposure lit (LbPattern *source, LbPattern *weight);
void wait_for_light (LbBench *bench, LbLightState light, guint ms);

/* An action in a thread of its own. */
typedef struct
{
  FakeDevices *fake;
  GThread *thread;
  GCancellable *cancellable;
  LbExposure exposure;
  Plan plan;
  gboolean result;
  GError *error;
  gint64 end_us;
} Run;

/* Begins a lit sequence that blocks in @call. */
void run_begin (Run *self, FakeDevices *fake, const char *call);
void run_end (Run *self);

/* What the main context was told. */
typedef struct
{
  GThread *thread;
  guint state, light, action;
  gboolean done;
  GError *error;
} Seen;

void notify_cb (LbBench *bench, GParamSpec *spec, gpointer data);
void done_cb (GObject *source, GAsyncResult *result, gpointer data);

G_END_DECLS
