/* SPDX-License-Identifier: GPL-3.0-or-later */
#pragma once

#include <lb-camera.h>
#include <lb-driver.h>
#include <lb-light-source.h>
#include <lb-modulator.h>
#include <lb-power-meter.h>
#include <lb-simulated.h>

G_BEGIN_DECLS

/* The devices of a small simulated world (planes 320 x 200, camera 272 x 176)
 * without a bench over them, for tests. */
typedef struct
{
  LbSetup *setup;
  LbDriverContext context;
  LbDevice *devices[LB_N_ROLES];
  guint64 sequence;
} Rig;

/* @world: members of "world" in the setup file ("" for the defaults). Opened. */
Rig *rig_new (const char *world, guint64 world_seed, guint64 seed);
/* The same with members of the camera's part, each with a comma before it. */
Rig *rig_new_full (const char *world, const char *camera, gboolean light, guint64 world_seed, guint64 seed);
/* The setup file of such a rig. */
char *rig_json (const char *world, const char *camera, gboolean light);
void rig_free (Rig *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Rig, rig_free)

LbCamera *rig_camera (Rig *self);
LbLightSource *rig_light (Rig *self);
/* Shows a pattern without waiting; returns when it stands. */
gint64 rig_show (Rig *self, LbRole role, LbPattern *pattern);
gint64 rig_show_level (Rig *self, LbRole role, guint8 level);
/* A pattern of pseudo-random levels. */
LbPattern *rig_random_pattern (Rig *self, guint32 seed);
/* Exposure time of the camera, which is started. */
void rig_expose_for (Rig *self, double exposure_us);
/* Light on (if there is a source), one frame that begins at @after_us or later. */
LbFrame *rig_frame (Rig *self, gint64 after_us);
/* Long enough after now that everything has settled. */
gint64 rig_settled (Rig *self);
/* Mean digital number of a frame. */
double rig_mean (const LbFrame *frame);

G_END_DECLS
