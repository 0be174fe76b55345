/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "vm-plane.h"

#include <math.h>
#include <string.h>

#include "guest.h"

#define PIXELS (VM_PLANE_WIDTH * VM_PLANE_HEIGHT)
#define RATE_HZ 60

G_DECLARE_FINAL_TYPE (VmPlane, vm_plane, VM, PLANE, LbModulator)

struct _VmPlane
{
  LbModulator parent_instance;
  VmPlane *other; /* not owned; NULL once it is gone */
  guint8 levels[PIXELS];
};

G_DEFINE_FINAL_TYPE (VmPlane, vm_plane, LB_TYPE_MODULATOR)

/* --- What the camera sees ------------------------------------------------------------------ */

static gboolean
expose (VmPlane *self, GError **error)
{
  g_autoptr (GString) pgm = g_string_new (NULL);

  g_string_append_printf (pgm, "P5 %d %d 255\n", VM_PLANE_WIDTH, VM_PLANE_HEIGHT);
  for (guint i = 0; i < PIXELS; i++)
    {
      double other = self->other != NULL ? self->other->levels[i] : 0;

      g_string_append_c (pgm, (char) lround (self->levels[i] * other / 255));
    }
  return g_file_set_contents (GUEST_RESULTS "/planes.pgm", pgm->str, (gssize) pgm->len, error);
}

/* --- Calls ------------------------------------------------------------------------------------ */

static gboolean
plane_open (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  lb_device_set_state (device, LB_DEVICE_CONNECTED);
  return TRUE;
}

static gboolean
plane_close (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  lb_device_set_state (device, LB_DEVICE_ABSENT);
  return TRUE;
}

static LbIdentity *
plane_get_identity (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  return lb_identity_new ("machine", "Lightbench", "plane", "1", NULL);
}

static gboolean
plane_get_caps (
    LbModulator *plane, LbModulatorCaps *caps, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  *caps = (LbModulatorCaps){ VM_PLANE_WIDTH, VM_PLANE_HEIGHT, 256, RATE_HZ, LB_TIME_STAMP_DEVICE };
  return TRUE;
}

static gboolean
plane_show (LbModulator *plane,
            LbPattern *pattern,
            guint64 sequence,
            GCancellable *cancellable,
            gint64 deadline_us,
            GError **error)
{
  VmPlane *self = VM_PLANE (plane);

  memcpy (self->levels, pattern->data, PIXELS);
  return expose (self, error);
}

/* The file is there: the camera's next picture is of it. */
static gboolean
plane_wait_presented (LbModulator *plane,
                      guint64 sequence,
                      gint64 *time_us,
                      GCancellable *cancellable,
                      gint64 deadline_us,
                      GError **error)
{
  *time_us = g_get_monotonic_time ();
  return TRUE;
}

static gboolean
plane_blank (LbModulator *plane, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  VmPlane *self = VM_PLANE (plane);

  memset (self->levels, 0, PIXELS);
  return expose (self, error);
}

/* --- Object --------------------------------------------------------------------------------------- */

static void
vm_plane_finalize (GObject *object)
{
  VmPlane *self = VM_PLANE (object);

  if (self->other != NULL)
    self->other->other = NULL;
  G_OBJECT_CLASS (vm_plane_parent_class)->finalize (object);
}

static void
vm_plane_class_init (VmPlaneClass *klass)
{
  LbDeviceClass *device_class = LB_DEVICE_CLASS (klass);
  LbModulatorClass *modulator_class = LB_MODULATOR_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = vm_plane_finalize;
  device_class->open = plane_open;
  device_class->close = plane_close;
  device_class->get_identity = plane_get_identity;
  modulator_class->get_caps = plane_get_caps;
  modulator_class->show = plane_show;
  modulator_class->wait_presented = plane_wait_presented;
  modulator_class->blank = plane_blank;
}

static void
vm_plane_init (VmPlane *self)
{
}

void
vm_planes_new (LbDevice *planes[2])
{
  VmPlane *source = g_object_new (vm_plane_get_type (), NULL);
  VmPlane *weight = g_object_new (vm_plane_get_type (), NULL);

  source->other = weight;
  weight->other = source;
  planes[0] = LB_DEVICE (source);
  planes[1] = LB_DEVICE (weight);
}
