/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "fake-devices.h"

#include <string.h>

#define FRAME_PERIOD_US 10000
#define LATENCY_US 30000
#define WIDTH 16
#define HEIGHT 8

struct _FakeDevices
{
  LbBench *bench;
  GWeakRef weak; /* to it */
  LbClock *clock;
  LbDevice *devices[LB_N_ROLES]; /* of the bench */

  GMutex lock;
  GCond changed;
  GPtrArray *log;
  char *failing;
  LbDeviceError code;
  char *blocking; /* call that is to wait */
  gboolean blocked, released;
  char *slow;
  gint64 slow_us;
  gboolean slow_waits;

  /* The light; atomics, because off_now() takes no lock. */
  atomic_bool output, silent;
  atomic_int_fast64_t lease_end_us;
  atomic_uint_fast64_t generation;
  double level;

  guint8 levels[2]; /* of the planes */
  atomic_uint faults[2];
  atomic_bool exchanged;
  double exposure_us, old_exposure_us;
  guint64 frames, valid_from;
};

/* --- What each call goes through ------------------------------------------------------ */

#define FAKE_KEY "lightbench-fake"

typedef struct
{
  FakeDevices *bench;
  LbRole role;
} FakePlace;

static FakePlace *
place_of (gpointer device)
{
  return g_object_get_data (device, FAKE_KEY);
}

static FakeDevices *
bench_of (gpointer device)
{
  return place_of (device)->bench;
}

/* FALSE: there was nothing to wait for any more. */
static gboolean
be_slow (LbDevice *device, gint64 duration_us, gboolean waits, GError **error)
{
  gint64 end_us = g_get_monotonic_time () + duration_us;

  while (g_get_monotonic_time () < end_us)
    {
      if (waits && !lb_device_waiting (device, error))
        return FALSE;
      g_usleep (20000);
    }
  return TRUE;
}

static gboolean
enter (gpointer device, const char *kind, GError **error)
{
  FakeDevices *self = bench_of (device);
  g_autofree char *call = g_strconcat (lb_role_get_name (place_of (device)->role), ".", kind, NULL);
  gboolean fails, slow, waits;
  gint64 slow_us;

  g_mutex_lock (&self->lock);
  g_ptr_array_add (self->log, g_strdup (call));
  if (g_strcmp0 (self->blocking, call) == 0)
    {
      g_clear_pointer (&self->blocking, g_free);
      self->blocked = TRUE;
      self->released = FALSE;
      g_cond_broadcast (&self->changed);
      while (!self->released)
        g_cond_wait (&self->changed, &self->lock);
      self->blocked = FALSE;
    }
  fails = g_strcmp0 (self->failing, call) == 0;
  slow = g_strcmp0 (self->slow, call) == 0;
  slow_us = self->slow_us;
  waits = self->slow_waits;
  g_mutex_unlock (&self->lock);
  if (slow && !be_slow (device, slow_us, waits, error))
    return FALSE;
  if (fails)
    g_set_error (error, LB_DEVICE_ERROR, self->code, "%s fails", call);
  return !fails;
}

static gboolean
fake_open (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  if (!enter (device, "open", error))
    return FALSE;
  lb_device_set_state (device, LB_DEVICE_CONNECTED);
  return TRUE;
}

static gboolean
fake_close (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  gboolean done = enter (device, "close", error);

  lb_device_set_state (device, LB_DEVICE_ABSENT);
  return done;
}

static LbIdentity *
fake_get_identity (LbDevice *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  if (!enter (device, "identity", error))
    return NULL;
  return lb_identity_new ("fake", "Lightbench", lb_role_get_name (place_of (device)->role),
                          atomic_load (&bench_of (device)->exchanged) ? "2" : "1", NULL);
}

static void
device_class_init (gpointer klass)
{
  LbDeviceClass *device_class = LB_DEVICE_CLASS (klass);

  device_class->open = fake_open;
  device_class->close = fake_close;
  device_class->get_identity = fake_get_identity;
}

/* --- Planes ------------------------------------------------------------------------------ */

typedef struct
{
  LbModulator parent;
} FakeModulator;
typedef LbModulatorClass FakeModulatorClass;
GType fake_modulator_get_type (void);
G_DEFINE_TYPE (FakeModulator, fake_modulator, LB_TYPE_MODULATOR)

static gboolean
modulator_get_caps (
    LbModulator *device, LbModulatorCaps *caps, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  *caps = (LbModulatorCaps){ WIDTH, HEIGHT, 256, 60, LB_TIME_STAMP_DEVICE };
  return enter (device, "caps", error);
}

static gboolean
modulator_show (LbModulator *device,
                LbPattern *pattern,
                guint64 sequence,
                GCancellable *cancellable,
                gint64 deadline_us,
                GError **error)
{
  if (!enter (device, "show", error))
    return FALSE;
  bench_of (device)->levels[place_of (device)->role] = pattern->data[0];
  return TRUE;
}

static gboolean
modulator_wait_presented (LbModulator *device,
                          guint64 sequence,
                          gint64 *time_us,
                          GCancellable *cancellable,
                          gint64 deadline_us,
                          GError **error)
{
  LbClock *clock = bench_of (device)->clock;

  if (!enter (device, "presented", error))
    return FALSE;
  *time_us = lb_clock_now_us (clock) + LATENCY_US;
  return lb_clock_wait_until (clock, *time_us, cancellable, error);
}

static gboolean
modulator_blank (LbModulator *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  if (!enter (device, "blank", error))
    return FALSE;
  bench_of (device)->levels[place_of (device)->role] = 0;
  return TRUE;
}

static void
fake_modulator_class_init (FakeModulatorClass *klass)
{
  device_class_init (klass);
  klass->get_caps = modulator_get_caps;
  klass->show = modulator_show;
  klass->wait_presented = modulator_wait_presented;
  klass->blank = modulator_blank;
}

static void
fake_modulator_init (FakeModulator *self)
{
}

typedef struct
{
  FakeModulator parent;
} FakeQuickModulator;
typedef LbModulatorClass FakeQuickModulatorClass;
GType fake_quick_modulator_get_type (void);
G_DEFINE_TYPE (FakeQuickModulator, fake_quick_modulator, fake_modulator_get_type ())

static void
modulator_blank_now (LbModulator *device)
{
  enter (device, "blank-now", NULL);
  bench_of (device)->levels[place_of (device)->role] = 0;
}

static LbModulatorFaults
modulator_peek (LbModulator *device, char **text)
{
  *text = g_strdup ("a cat sits on it");
  return atomic_fetch_and (&bench_of (device)->faults[place_of (device)->role],
                           ~(guint) LB_MODULATOR_FAULT_STOP);
}

void
fake_devices_exchange (FakeDevices *self, gboolean exchanged)
{
  atomic_store (&self->exchanged, exchanged);
}

void
fake_devices_tell_faults (FakeDevices *self, LbRole plane, LbModulatorFaults faults)
{
  atomic_store (&self->faults[plane], faults);
  lb_modulator_alarm (LB_MODULATOR (self->devices[plane]));
}

static void
fake_quick_modulator_class_init (FakeQuickModulatorClass *klass)
{
  klass->peek = modulator_peek;
  klass->blank_now = modulator_blank_now;
}

static void
fake_quick_modulator_init (FakeQuickModulator *self)
{
}

/* --- Camera -------------------------------------------------------------------------------- */

typedef struct
{
  LbCamera parent;
} FakeCamera;
typedef LbCameraClass FakeCameraClass;
GType fake_camera_get_type (void);
G_DEFINE_TYPE (FakeCamera, fake_camera, LB_TYPE_CAMERA)

static gboolean
camera_get_caps (
    LbCamera *device, LbCameraCaps *caps, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  *caps = (LbCameraCaps){
    .width = 4,
    .height = 1,
    .bits = 12,
    .exposure_min_us = 10,
    .exposure_max_us = 1e7,
    .gain_min = 1,
    .gain_max = 4,
    .frame_period_us = FRAME_PERIOD_US,
    .region_step = 1,
    .time_stamp = LB_TIME_STAMP_DEVICE,
  };
  return enter (device, "caps", error);
}

static gboolean
camera_configure (LbCamera *device,
                  const LbCameraFormat *want,
                  LbCameraFormat *actual,
                  GCancellable *cancellable,
                  gint64 deadline_us,
                  GError **error)
{
  *actual = (LbCameraFormat){ 0, 0, 4, 1, 12 };
  return enter (device, "configure", error);
}

static gboolean
camera_set_exposure (LbCamera *device,
                     double exposure_us,
                     double gain,
                     double *actual_exposure_us,
                     double *actual_gain,
                     guint64 *valid_from_sequence,
                     GCancellable *cancellable,
                     gint64 deadline_us,
                     GError **error)
{
  FakeDevices *self = bench_of (device);

  if (!enter (device, "set-exposure", error))
    return FALSE;
  /* Two frames are under way. */
  self->old_exposure_us = self->exposure_us;
  self->exposure_us = exposure_us;
  self->valid_from = self->frames + 2;
  *valid_from_sequence = self->valid_from;
  return TRUE;
}

static gboolean
camera_start (LbCamera *device, guint buffers, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  return enter (device, "start", error);
}

static gboolean
camera_stop (LbCamera *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  return enter (device, "stop", error);
}

static LbFrame *
camera_wait_frame (
    LbCamera *device, gint64 exposed_after_us, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  FakeDevices *self = bench_of (device);
  gint64 start_us = MAX (exposed_after_us, lb_clock_now_us (self->clock));
  gint64 end_us = start_us + FRAME_PERIOD_US;
  gboolean lit = fake_devices_is_lit (self);
  double exposure_us;
  guint16 *data;

  if (!enter (device, "wait-frame", error) || !lb_clock_wait_until (self->clock, end_us, cancellable, error))
    return NULL;
  exposure_us = self->frames < self->valid_from ? self->old_exposure_us : self->exposure_us;
  data = g_new (guint16, 4);
  data[0] = lit;
  data[1] = self->levels[LB_ROLE_SOURCE];
  data[2] = self->levels[LB_ROLE_WEIGHT];
  data[3] = (guint16) (exposure_us / 1000);
  return lb_frame_new (
      &(LbFrame){
          .width = 4,
          .height = 1,
          .bits = 12,
          .data = data,
          .exposure_us = exposure_us,
          .gain = 1,
          .start_us = start_us,
          .end_us = end_us,
          .sequence = self->frames++,
      },
      data, g_free);
}

static void
fake_camera_class_init (FakeCameraClass *klass)
{
  device_class_init (klass);
  klass->get_caps = camera_get_caps;
  klass->configure = camera_configure;
  klass->set_exposure = camera_set_exposure;
  klass->start = camera_start;
  klass->stop = camera_stop;
  klass->wait_frame = camera_wait_frame;
}

static void
fake_camera_init (FakeCamera *self)
{
}

/* --- Light source ----------------------------------------------------------------------------- */

typedef struct
{
  LbLightSource parent;
} FakeLight;
typedef LbLightSourceClass FakeLightClass;
GType fake_light_get_type (void);
G_DEFINE_TYPE (FakeLight, fake_light, LB_TYPE_LIGHT_SOURCE)

gboolean
fake_devices_is_lit (FakeDevices *self)
{
  if (self->devices[LB_ROLE_LIGHT] == NULL)
    return self->levels[LB_ROLE_SOURCE] > 0;
  return atomic_load (&self->output) && g_get_monotonic_time () < atomic_load (&self->lease_end_us);
}

static gboolean
light_get_caps (LbLightSource *device,
                LbLightSourceCaps *caps,
                GCancellable *cancellable,
                gint64 deadline_us,
                GError **error)
{
  *caps = (LbLightSourceCaps){ "mW", 0, 100, 80 };
  return enter (device, "caps", error);
}

static gboolean
light_set_level (LbLightSource *device,
                 double value,
                 double *actual,
                 GCancellable *cancellable,
                 gint64 deadline_us,
                 GError **error)
{
  bench_of (device)->level = value;
  return enter (device, "set-level", error);
}

/* A lease; one of an old generation is refused, and so is the renewal of one
 * that has run out. */
static gboolean
give (FakeDevices *self, gboolean renewal, guint64 generation, gint64 lease_us, GError **error)
{
  if (generation < atomic_load (&self->generation) || (renewal && !fake_devices_is_lit (self)))
    {
      g_set_error_literal (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_INTERLOCK, "refused");
      return FALSE;
    }
  g_assert_cmpint (lease_us, <=, G_USEC_PER_SEC);
  atomic_store (&self->lease_end_us, g_get_monotonic_time () + lease_us);
  atomic_store (&self->output, TRUE);
  if (generation < atomic_load (&self->generation))
    atomic_store (&self->output, FALSE);
  return TRUE;
}

static gboolean
light_output_on (LbLightSource *device,
                 guint64 generation,
                 gint64 lease_us,
                 GCancellable *cancellable,
                 gint64 deadline_us,
                 GError **error)
{
  return enter (device, "on", error) && give (bench_of (device), FALSE, generation, lease_us, error);
}

static gboolean
light_renew (LbLightSource *device,
             guint64 generation,
             gint64 lease_us,
             GCancellable *cancellable,
             gint64 deadline_us,
             GError **error)
{
  return enter (device, "renew", error) && give (bench_of (device), TRUE, generation, lease_us, error);
}

static gboolean
light_output_off (LbLightSource *device, GCancellable *cancellable, gint64 deadline_us, GError **error)
{
  if (!enter (device, "off", error))
    return FALSE;
  atomic_store (&bench_of (device)->output, FALSE);
  return TRUE;
}

static gboolean
light_read_state (LbLightSource *device,
                  LbLightSourceState *state,
                  GCancellable *cancellable,
                  gint64 deadline_us,
                  GError **error)
{
  *state = (LbLightSourceState){ .output = fake_devices_is_lit (bench_of (device)),
                                 .level = bench_of (device)->level };
  return enter (device, "state", error);
}

static void
light_off_now (LbLightSource *device, guint64 generation)
{
  FakeDevices *self = bench_of (device);

  atomic_store (&self->generation, generation);
  atomic_store (&self->output, FALSE);
}

static gboolean
light_is_confirmed_off (LbLightSource *device)
{
  FakeDevices *self = bench_of (device);

  return !atomic_load (&self->silent) && !fake_devices_is_lit (self);
}

static void
fake_light_class_init (FakeLightClass *klass)
{
  device_class_init (klass);
  klass->get_caps = light_get_caps;
  klass->set_level = light_set_level;
  klass->output_on = light_output_on;
  klass->renew = light_renew;
  klass->output_off = light_output_off;
  klass->read_state = light_read_state;
  klass->off_now = light_off_now;
  klass->is_confirmed_off = light_is_confirmed_off;
}

static void
fake_light_init (FakeLight *self)
{
}

/* --- Power meter ---------------------------------------------------------------------------------- */

typedef struct
{
  LbPowerMeter parent;
} FakePowerMeter;
typedef LbPowerMeterClass FakePowerMeterClass;
GType fake_power_meter_get_type (void);
G_DEFINE_TYPE (FakePowerMeter, fake_power_meter, LB_TYPE_POWER_METER)

static gboolean
power_meter_read (LbPowerMeter *device,
                  double *watts,
                  gint64 *time_us,
                  GCancellable *cancellable,
                  gint64 deadline_us,
                  GError **error)
{
  *watts = fake_devices_is_lit (bench_of (device)) ? 1e-3 : 0;
  if (time_us != NULL)
    *time_us = lb_clock_now_us (bench_of (device)->clock);
  return enter (device, "read", error);
}

static void
fake_power_meter_class_init (FakePowerMeterClass *klass)
{
  device_class_init (klass);
  klass->read = power_meter_read;
}

static void
fake_power_meter_init (FakePowerMeter *self)
{
}

/* --- The bench ---------------------------------------------------------------------------------------- */

const char *
fake_devices_get_json (void)
{
  return "{\n"
         "  \"name\": \"fake\", \"title\": \"Fake bench\",\n"
         "  \"devices\": {\n"
         "    \"source\": {\"driver\": \"simulated\", \"width\": 16},\n"
         "    \"weight\": {\"driver\": \"simulated\"},\n"
         "    \"camera\": {\"driver\": \"simulated\"},\n"
         "    \"light\": {\"driver\": \"simulated\", \"unit\": \"mW\", \"limit\": 80.5},\n"
         "    \"power-meter\": {\"driver\": \"simulated\"}\n"
         "  },\n"
         "  \"optics\": {\n"
         "    \"macropixel\": 8, \"source_margin\": 2, \"guard\": 1,\n"
         "    \"source_floor\": 0.005, \"weight_floor\": 0.01, \"source_gamma\": 2.2, "
         "\"weight_phase_range\": 1.0,\n"
         "    \"quantum_efficiency\": 0.7, \"path_transmission\": 0.714,\n"
         "    \"electrons_per_dn\": 2.5, \"full_well\": 10000, \"read_noise\": 1.6,\n"
         "    \"source_settling_us\": 6000, \"weight_settling_us\": 62000,\n"
         "    \"light_level\": 50, \"exposure_us\": 8000\n"
         "  },\n"
         "  \"world\": {\"blur\": 0.7, \"flips\": true, \"kind\": \"ideal\"},\n"
         "  \"fast\": {\n"
         "    \"devices\": {\"source\": {\"width\": 8}},\n"
         "    \"optics\": {\"macropixel\": 4, \"source_margin\": 1},\n"
         "    \"world\": {\"blur\": 0.35}\n"
         "  }\n"
         "}\n";
}

static LbSetup *
make_setup (void)
{
  g_autoptr (GError) error = NULL;
  LbSetup *setup = lb_setup_parse (fake_devices_get_json (), -1, "fake", LB_FIDELITY_PIXEL, &error);

  g_assert_no_error (error);
  return setup;
}

static LbDevice *
make_device (FakeDevices *self, LbRole role, GType type)
{
  LbDevice *device = g_object_new (type, NULL);
  FakePlace *place = g_new0 (FakePlace, 1);

  place->bench = self;
  place->role = role;
  g_object_set_data_full (G_OBJECT (device), FAKE_KEY, place, g_free);
  self->devices[role] = device;
  return device;
}

/* Takes @light. */
static FakeDevices *
new_with (FakeFlags flags, LbDevice *light)
{
  FakeDevices *self = g_new0 (FakeDevices, 1);
  GType plane = flags & FAKE_QUICK_BLANK ? fake_quick_modulator_get_type () : fake_modulator_get_type ();
  g_autoptr (LbSetup) setup = make_setup ();
  LbDevice *devices[LB_N_ROLES] = { NULL };

  g_mutex_init (&self->lock);
  g_cond_init (&self->changed);
  self->log = g_ptr_array_new_with_free_func (g_free);
  self->clock = flags & FAKE_WALL_CLOCK ? lb_clock_new_wall () : lb_clock_new_virtual (0);
  devices[LB_ROLE_SOURCE] = make_device (self, LB_ROLE_SOURCE, plane);
  devices[LB_ROLE_WEIGHT] = make_device (self, LB_ROLE_WEIGHT, plane);
  devices[LB_ROLE_CAMERA] = make_device (self, LB_ROLE_CAMERA, fake_camera_get_type ());
  if (light != NULL)
    devices[LB_ROLE_LIGHT] = self->devices[LB_ROLE_LIGHT] = light;
  else if (!(flags & FAKE_WITHOUT_LIGHT))
    devices[LB_ROLE_LIGHT] = make_device (self, LB_ROLE_LIGHT, fake_light_get_type ());
  devices[LB_ROLE_POWER_METER] = make_device (self, LB_ROLE_POWER_METER, fake_power_meter_get_type ());
  self->bench = lb_bench_new_for_devices (setup, self->clock, devices);
  g_weak_ref_init (&self->weak, self->bench);
  return self;
}

FakeDevices *
fake_devices_new (FakeFlags flags)
{
  return new_with (flags, NULL);
}

FakeDevices *
fake_devices_new_with_light (FakeFlags flags, LbLightSource *light)
{
  return new_with (flags, g_object_ref (LB_DEVICE (light)));
}

void
fake_devices_drop (FakeDevices *self)
{
  g_clear_object (&self->bench);
}

void
fake_devices_free (FakeDevices *self)
{
  gpointer left = NULL;

  if (self == NULL)
    return;
  fake_devices_drop (self);
  /* Nobody else may still use the devices, which use this. */
  for (guint i = 0; i < 500 && (left = g_weak_ref_get (&self->weak)) != NULL; i++)
    {
      g_object_unref (left);
      g_usleep (10000);
    }
  g_assert_null (left);
  g_weak_ref_clear (&self->weak);
  g_object_unref (self->clock);
  g_ptr_array_unref (self->log);
  g_free (self->failing);
  g_free (self->blocking);
  g_free (self->slow);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->changed);
  g_free (self);
}

LbBench *
fake_devices_get_bench (FakeDevices *self)
{
  return self->bench;
}

/* --- What they are told ----------------------------------------------------------------------------------
 */

static void
set_text (FakeDevices *self, char **text, const char *call)
{
  g_mutex_lock (&self->lock);
  g_free (*text);
  *text = g_strdup (call);
  g_mutex_unlock (&self->lock);
}

void
fake_devices_fail (FakeDevices *self, const char *call, LbDeviceError code)
{
  self->code = code;
  set_text (self, &self->failing, call);
}

void
fake_devices_block (FakeDevices *self, const char *call)
{
  set_text (self, &self->blocking, call);
}

void
fake_devices_wait_blocked (FakeDevices *self)
{
  g_mutex_lock (&self->lock);
  while (!self->blocked)
    g_cond_wait (&self->changed, &self->lock);
  g_mutex_unlock (&self->lock);
}

void
fake_devices_release (FakeDevices *self)
{
  g_mutex_lock (&self->lock);
  self->released = TRUE;
  g_cond_broadcast (&self->changed);
  g_mutex_unlock (&self->lock);
}

void
fake_devices_slow (FakeDevices *self, const char *call, gint64 duration_us, gboolean waiting)
{
  self->slow_us = duration_us;
  self->slow_waits = waiting;
  set_text (self, &self->slow, call);
}

void
fake_devices_set_silent (FakeDevices *self, gboolean silent)
{
  atomic_store (&self->silent, silent);
}

gboolean
fake_devices_relight (FakeDevices *self, guint64 generation)
{
  return give (self, FALSE, generation, LB_BENCH_LEASE_US, NULL);
}

/* --- What they say
 * ------------------------------------------------------------------------------------------ */

guint
fake_devices_count (FakeDevices *self, const char *call)
{
  guint count = 0;

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->log->len; i++)
    if (g_str_equal (g_ptr_array_index (self->log, i), call))
      count++;
  g_mutex_unlock (&self->lock);
  return count;
}

void
fake_devices_clear_log (FakeDevices *self)
{
  g_mutex_lock (&self->lock);
  g_ptr_array_set_size (self->log, 0);
  g_mutex_unlock (&self->lock);
}

char *
fake_devices_dup_order (FakeDevices *self, const char *kind)
{
  GString *order = g_string_new (NULL);

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->log->len; i++)
    {
      const char *call = g_ptr_array_index (self->log, i);
      const char *point = strchr (call, '.');

      if (g_str_equal (point + 1, kind))
        g_string_append_printf (order, "%s%.*s", order->len > 0 ? " " : "", (int) (point - call), call);
    }
  g_mutex_unlock (&self->lock);
  return g_string_free (order, FALSE);
}

guint8
fake_devices_get_level (FakeDevices *self, LbRole plane)
{
  return self->levels[plane];
}
