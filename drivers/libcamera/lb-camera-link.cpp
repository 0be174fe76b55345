/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-camera-link.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include <glib/gi18n-lib.h>
#include <libcamera/libcamera.h>
#include <libcamera/logging.h>
#include <linux/dma-buf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

using namespace libcamera;

/* The only file that knows libcamera; works with 0.0.3 (Debian 12) and newer. */

namespace
{

/* The first plane of a buffer, mapped for reading. */
struct Mapping
{
  int fd;
  void *start;
  size_t length; /* as mapped, from the start of the file */
  size_t offset;

  explicit Mapping (const FrameBuffer &buffer)
  {
    const FrameBuffer::Plane &plane = buffer.planes ()[0];

    fd = plane.fd.get ();
    offset = plane.offset == FrameBuffer::Plane::kInvalidOffset ? 0 : plane.offset;
    length = offset + plane.length;
    start = mmap (nullptr, length, PROT_READ, MAP_SHARED, fd, 0);
  }
  Mapping (const Mapping &) = delete;
  Mapping &operator= (const Mapping &) = delete;
  ~Mapping ()
  {
    if (start != MAP_FAILED)
      munmap (start, length);
  }
  void sync (__u64 flags) const
  {
    struct dma_buf_sync request = { DMA_BUF_SYNC_READ | flags };

    /* Memory that is not a dma-buf refuses, and does not need it. */
    if (ioctl (fd, DMA_BUF_IOCTL_SYNC, &request) != 0)
      return;
  }
};

int64_t
clock_ns (clockid_t clock)
{
  struct timespec now;

  clock_gettime (clock, &now);
  return now.tv_sec * INT64_C (1000000000) + now.tv_nsec;
}

gboolean
fail (const char *what, int status, GError **error)
{
  LbDeviceError code = LB_DEVICE_ERROR_PROTOCOL;

  if (status == -EBUSY)
    code = LB_DEVICE_ERROR_BUSY;
  else if (status == -EACCES || status == -EPERM)
    code = LB_DEVICE_ERROR_ACCESS;
  else if (status == -ENODEV || status == -ENOENT)
    code = LB_DEVICE_ERROR_ABSENT;
  g_set_error (error, LB_DEVICE_ERROR, code, "%s: %s", what, g_strerror (-status));
  return FALSE;
}

/* Calls @func for C, which knows no exceptions: one becomes an error, unless there
 * is one already, and @failure is returned. */
template <typename Result, typename Func>
Result
guarded (Result failure, GError **error, Func func) noexcept
{
  std::string why;

  try
    {
      return func ();
    }
  catch (const std::exception &exception)
    {
      why = exception.what ();
    }
  catch (...)
    {
      why = "?";
    }
  if (error != nullptr && *error == nullptr)
    g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FAULTED,
                 _ ("libcamera failed: %s; unplug the camera, plug it in and connect again"), why.c_str ());
  return failure;
}

/* libcamera 0.0.3 looks for new cameras twice as often with each that is plugged in
 * (CameraManager::Private::createPipelineHandlers() connects itself to the signal
 * that calls it, once more each time): after twenty the thread that runs it is
 * busy for good. It begins anew after so many. */
constexpr unsigned ARRIVALS_MAX = 6;

/* One manager for the process, as libcamera demands; started when first needed, and
 * again when that helps and nothing uses a camera. Cameras that hang may refer to
 * it for ever: then it stays. */
struct Manager
{
  std::mutex lock;
  CameraManager *manager = nullptr;
  unsigned links = 0; /* open cameras */
};

Manager the_manager;
std::atomic<unsigned> arrivals{ 0 };

/* From libcamera's thread. */
void
count_arrival (std::shared_ptr<Camera>)
{
  arrivals++;
}

/* With the lock held. */
CameraManager *
get_manager (GError **error)
{
  CameraManager *&manager = the_manager.manager;

  if (manager != nullptr && the_manager.links == 0 && arrivals >= ARRIVALS_MAX)
    {
      manager->stop ();
      delete manager;
      manager = nullptr;
    }
  if (manager == nullptr)
    {
      auto started = std::make_unique<CameraManager> ();
      int status;

      if (g_getenv ("LIBCAMERA_LOG_LEVELS") == nullptr)
        logSetLevel ("*", "ERROR");
      status = started->start ();
      if (status != 0)
        {
          fail (_ ("libcamera does not start"), status, error);
          return nullptr;
        }
      arrivals = 0;
      started->cameraAdded.connect (count_arrival);
      manager = started.release ();
    }
  return manager;
}

std::string
get_model (const Camera &camera)
{
  return camera.properties ().get (properties::Model).value_or (camera.id ());
}

/* Not by count() or at(): in 0.0.3 these ask whether libcamera knows the control,
 * not whether the camera has it. */
template <typename T>
bool
has (const Camera &camera, const Control<T> &control)
{
  return camera.controls ().find (control.id ()) != camera.controls ().end ();
}

/* Range of a control; FALSE if there is none. */
template <typename T>
gboolean
get_range (const Camera &camera, const Control<T> &control, double *low, double *high)
{
  if (!has (camera, control))
    return FALSE;
  const ControlInfo &info = camera.controls ().find (control.id ())->second;
  *low = static_cast<double> (info.min ().get<T> ());
  *high = static_cast<double> (info.max ().get<T> ());
  return *high >= *low;
}

} // namespace

struct _LbCameraLink
{
  std::atomic<int> references{ 1 };
  std::shared_ptr<Camera> camera;
  void (*lost_func) (gpointer) = nullptr;
  gpointer lost_data = nullptr;
  GDestroyNotify lost_destroy = nullptr;
  std::atomic<bool> lost{ false };
  bool acquired = false;
  LbCameraLinkInfo info{};
  GArray *modes = nullptr;

  /* Of a stream. */
  std::unique_ptr<FrameBufferAllocator> allocator;
  Stream *stream = nullptr;
  std::vector<std::unique_ptr<Request> > requests;
  std::vector<std::unique_ptr<Mapping> > mappings;
  LbFrameQueue *queue = nullptr;
  LbCameraTiming timing{};

  /* Guards what follows. */
  std::mutex lock;
  bool streaming = false;
  bool dirty = false; /* controls are to go out */
  LbCameraControls controls{};

  void completed (Request *request) noexcept;
  void disconnected () noexcept;
  void post (Request *request);
  bool find (const char *id, GError **error);
  bool open (const char *id, GError **error);
  void close ();
  void read_info ();
  void read_modes ();
  void fill_controls (ControlList &list) const;
  bool queue_request (guint slot);
  bool prepare (const LbCameraMode *mode, guint n_buffers, gsize *stride, gsize *length, GError **error);
  bool run (GError **error);
  int stop ();
  void forget_stream ();
};

/* --- On libcamera's thread: only posts ------------------------------------------------- */

void
_LbCameraLink::post (Request *request)
{
  LbCapture capture{};
  const FrameBuffer *buffer = request->findBuffer (stream);

  if (request->status () == Request::RequestCancelled || buffer == nullptr)
    return;
  const FrameMetadata &metadata = buffer->metadata ();
  const ControlList &values = request->metadata ();
  int64_t now_ns = clock_ns (CLOCK_MONOTONIC);
  int64_t stamp_ns =
      values.get (controls::SensorTimestamp).value_or (static_cast<int64_t> (metadata.timestamp));
  int64_t stamp_us = lb_camera_stamp_to_us (stamp_ns, now_ns, clock_ns (CLOCK_BOOTTIME));
  double exposure_us;

  capture.slot = static_cast<guint> (request->cookie ());
  capture.sequence = metadata.sequence;
  capture.arrived_us = now_ns / 1000;
  capture.whole = metadata.status == FrameMetadata::FrameSuccess;
  capture.bytes = metadata.planes ().empty () ? 0 : metadata.planes ()[0].bytesused;
  capture.exposure_us = values.get (controls::ExposureTime).value_or (0);
  capture.gain = static_cast<double> (values.get (controls::AnalogueGain).value_or (0));
  {
    std::lock_guard<std::mutex> guard (lock);
    exposure_us = capture.exposure_us > 0 ? capture.exposure_us : this->controls.exposure_us;
  }
  if (info.sensor_stamps)
    {
      capture.start_us = stamp_us;
      capture.end_us = stamp_us + static_cast<gint64> (exposure_us + timing.readout_us);
    }
  else
    {
      double period_us = lb_frame_queue_get_period_us (queue);
      double latency_us = timing.latency_us;

      /* Before two pictures have come nothing is known of the period. */
      if (latency_us < 0)
        latency_us = period_us > 0 ? period_us : G_USEC_PER_SEC;
      capture.start_us = stamp_us - static_cast<gint64> (latency_us + exposure_us + timing.readout_us);
      capture.end_us = stamp_us;
    }
  lb_frame_queue_post (queue, &capture);
}

/* A picture whose capture cannot be told of is lost; its absence is noticed. */
void
_LbCameraLink::completed (Request *request) noexcept
{
  guarded (false, nullptr, [&] {
    post (request);
    return true;
  });
}

void
_LbCameraLink::disconnected () noexcept
{
  lost = true;
  lost_func (lost_data);
}

/* --- List and open ------------------------------------------------------------------------- */

namespace
{

gboolean
list_cameras (GPtrArray *entries, GError **error)
{
  std::lock_guard<std::mutex> guard (the_manager.lock);
  CameraManager *manager = get_manager (error);

  if (manager == nullptr)
    return FALSE;
  for (const std::shared_ptr<Camera> &camera : manager->cameras ())
    g_ptr_array_add (entries, lb_camera_entry_new (camera->id ().c_str (), get_model (*camera).c_str ()));
  return TRUE;
}

} // namespace

/**
 * lb_camera_link_list:
 * @entries: (element-type LbCameraEntry): receives one for each camera
 *
 * Lists what libcamera sees; acquires nothing.
 *
 * Returns: %FALSE with an LbDeviceError if libcamera does not start
 */
gboolean
lb_camera_link_list (GPtrArray *entries, GError **error)
{
  return guarded (FALSE, error, [&] { return list_cameras (entries, error); });
}

void
_LbCameraLink::read_info ()
{
  double low = 0, high = 0;

  info.has_exposure =
      get_range (*camera, controls::ExposureTime, &info.exposure_min_us, &info.exposure_max_us);
  info.has_gain = get_range (*camera, controls::AnalogueGain, &info.gain_min, &info.gain_max);
  if (has (*camera, controls::FrameDurationLimits))
    {
      const ControlInfo &limits = camera->controls ().find (controls::FrameDurationLimits.id ())->second;

      low = static_cast<double> (limits.min ().get<int64_t> ());
      high = static_cast<double> (limits.max ().get<int64_t> ());
    }
  info.has_period = high > 0 && high >= low;
  info.period_min_us = low;
  info.period_max_us = high;
  /* The handler of USB cameras knows nothing of frame durations, and its stamps
   * are the host's; sensors stamp the start of exposure. */
  info.sensor_stamps = info.has_period;
}

/* For raw pictures first; then for viewing, for cameras that have no raw ones. */
void
_LbCameraLink::read_modes ()
{
  modes = g_array_new (FALSE, TRUE, sizeof (LbCameraMode));
  for (StreamRole role : { StreamRole::Raw, StreamRole::Viewfinder })
    {
      std::unique_ptr<CameraConfiguration> configuration = camera->generateConfiguration ({ role });

      if (configuration == nullptr || configuration->empty ())
        continue;
      const StreamFormats &formats = configuration->at (0).formats ();
      for (const PixelFormat &format : formats.pixelformats ())
        for (const Size &size : formats.sizes (format))
          {
            LbCameraMode mode{};

            g_strlcpy (mode.format, format.toString ().c_str (), sizeof mode.format);
            mode.width = size.width;
            mode.height = size.height;
            g_array_append_val (modes, mode);
          }
      if (modes->len > 0)
        return;
    }
}

/* From here on the manager stays as it is. */
bool
_LbCameraLink::find (const char *id, GError **error)
{
  std::lock_guard<std::mutex> guard (the_manager.lock);
  CameraManager *manager = get_manager (error);

  if (manager == nullptr)
    return false;
  camera = manager->get (id);
  if (camera == nullptr)
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_ABSENT, _ ("the camera \"%s\" is gone"), id);
      return false;
    }
  the_manager.links++;
  return true;
}

bool
_LbCameraLink::open (const char *id, GError **error)
{
  int status;

  if (!find (id, error))
    return false;
  status = camera->acquire ();
  if (status != 0)
    return fail (status == -EBUSY ? _ ("another program uses the camera, or it was left hanging; close that "
                                       "program, or unplug the camera and plug it in again")
                                  : _ ("the camera cannot be acquired"),
                 status, error);
  acquired = true;
  camera->requestCompleted.connect (this, &_LbCameraLink::completed);
  camera->disconnected.connect (this, &_LbCameraLink::disconnected);
  read_info ();
  read_modes ();
  return true;
}

/**
 * lb_camera_link_open:
 * @id: libcamera's
 * @lost: called from a thread of libcamera when the camera is unplugged
 * @data: for @lost; freed by @destroy with the link, or at once on failure
 *
 * Acquires a camera. May block.
 *
 * Returns: (transfer full): the link; %NULL with ABSENT, BUSY, ACCESS, PROTOCOL
 */
LbCameraLink *
lb_camera_link_open (
    const char *id, void (*lost) (gpointer data), gpointer data, GDestroyNotify destroy, GError **error)
{
  LbCameraLink *self = new (std::nothrow) _LbCameraLink;

  if (self == nullptr)
    g_error ("out of memory");
  self->lost_func = lost;
  self->lost_data = data;
  self->lost_destroy = destroy;
  if (guarded (false, error, [&] { return self->open (id, error); }))
    return self;
  lb_camera_link_unref (self);
  return nullptr;
}

LbCameraLink *
lb_camera_link_ref (LbCameraLink *self)
{
  self->references++;
  return self;
}

void
_LbCameraLink::close ()
{
  if (camera == nullptr)
    return;
  if (acquired)
    {
      stop ();
      camera->requestCompleted.disconnect (this);
      camera->disconnected.disconnect (this);
      camera->release ();
    }
  camera.reset ();
  std::lock_guard<std::mutex> guard (the_manager.lock);
  the_manager.links--;
}

/**
 * lb_camera_link_unref:
 *
 * The last reference stops and releases the camera, which may block.
 */
void
lb_camera_link_unref (LbCameraLink *self)
{
  if (--self->references > 0)
    return;
  guarded (false, nullptr, [&] {
    self->close ();
    return true;
  });
  if (self->lost_destroy != nullptr)
    self->lost_destroy (self->lost_data);
  g_clear_pointer (&self->modes, g_array_unref);
  delete self;
}

const LbCameraLinkInfo *
lb_camera_link_get_info (LbCameraLink *self)
{
  return &self->info;
}

GArray *
lb_camera_link_get_modes (LbCameraLink *self)
{
  return self->modes;
}

gboolean
lb_camera_link_is_lost (LbCameraLink *self)
{
  return self->lost;
}

/* --- Controls ---------------------------------------------------------------------------------- */

/* Everything that would change values by itself is switched off. */
void
_LbCameraLink::fill_controls (ControlList &list) const
{
  const LbCameraControls &wanted = this->controls;

  if (has (*camera, controls::AeEnable))
    list.set (controls::AeEnable, false);
  if (has (*camera, controls::AwbEnable))
    list.set (controls::AwbEnable, false);
  if (has (*camera, controls::AfMode))
    list.set (controls::AfMode, static_cast<int32_t> (controls::AfModeManual));
  if (has (*camera, controls::draft::NoiseReductionMode))
    list.set (controls::draft::NoiseReductionMode,
              static_cast<int32_t> (controls::draft::NoiseReductionModeOff));
  if (info.has_exposure && wanted.exposure_us > 0)
    list.set (controls::ExposureTime, static_cast<int32_t> (wanted.exposure_us));
  if (info.has_gain && wanted.gain > 0)
    list.set (controls::AnalogueGain, static_cast<float> (wanted.gain));
  if (info.has_period && wanted.period_us > 0)
    {
      int64_t period = static_cast<int64_t> (wanted.period_us);

      list.set (controls::FrameDurationLimits, { period, period });
    }
}

void
lb_camera_link_set_controls (LbCameraLink *self, const LbCameraControls *wanted)
{
  guarded (false, nullptr, [&] {
    std::lock_guard<std::mutex> guard (self->lock);

    self->controls = *wanted;
    self->dirty = true;
    return true;
  });
}

/* --- Streaming ------------------------------------------------------------------------------------ */

bool
_LbCameraLink::queue_request (guint slot)
{
  Request *request = requests[slot].get ();

  if (dirty)
    fill_controls (request->controls ());
  dirty = false;
  return camera->queueRequest (request) == 0;
}

/* A refusal means that the camera is going away: its loss is told by itself, or
 * no picture comes any more. */
void
lb_camera_link_recycle (guint slot, gpointer user_data)
{
  LbCameraLink *self = static_cast<LbCameraLink *> (user_data);

  guarded (false, nullptr, [&] {
    std::lock_guard<std::mutex> guard (self->lock);

    if (!self->streaming || self->lost)
      return false;
    self->requests[slot]->reuse (Request::ReuseBuffers);
    return self->queue_request (slot);
  });
}

bool
_LbCameraLink::prepare (
    const LbCameraMode *mode, guint n_buffers, gsize *stride, gsize *length, GError **error)
{
  std::unique_ptr<CameraConfiguration> configuration;
  int status;

  for (StreamRole role : { StreamRole::Raw, StreamRole::Viewfinder })
    {
      configuration = camera->generateConfiguration ({ role });
      if (configuration != nullptr && !configuration->empty ())
        break;
    }
  if (configuration == nullptr || configuration->empty ())
    return fail (_ ("the camera has no configuration"), -EINVAL, error);

  StreamConfiguration &wanted = configuration->at (0);
  wanted.pixelFormat = PixelFormat::fromString (mode->format);
  wanted.size = Size (mode->width, mode->height);
  wanted.bufferCount = n_buffers;
  if (configuration->validate () == CameraConfiguration::Invalid ||
      wanted.pixelFormat.toString () != mode->format || wanted.size != Size (mode->width, mode->height))
    {
      g_set_error (error, LB_DEVICE_ERROR, LB_DEVICE_ERROR_FORMAT,
                   _ ("the camera lists %s of %ux%u but makes %s of it"), mode->format, mode->width,
                   mode->height, wanted.toString ().c_str ());
      return false;
    }
  status = camera->configure (configuration.get ());
  if (status != 0)
    return fail (_ ("the camera cannot be configured"), status, error);
  stream = wanted.stream ();
  *stride = wanted.stride;
  allocator = std::make_unique<FrameBufferAllocator> (camera);
  status = allocator->allocate (stream);
  if (status < 0)
    return fail (_ ("the camera has no memory for pictures"), status, error);
  *length = G_MAXSIZE;
  for (const std::unique_ptr<FrameBuffer> &buffer : allocator->buffers (stream))
    {
      std::unique_ptr<Request> request = camera->createRequest (requests.size ());

      mappings.push_back (std::make_unique<Mapping> (*buffer));
      if (mappings.back ()->start == MAP_FAILED)
        return fail (_ ("a picture of the camera cannot be mapped"), -errno, error);
      *length = std::min (*length, mappings.back ()->length - mappings.back ()->offset);
      if (request == nullptr || request->addBuffer (stream, buffer.get ()) != 0)
        return fail (_ ("the camera takes no request"), -EINVAL, error);
      requests.push_back (std::move (request));
    }
  return true;
}

bool
_LbCameraLink::run (GError **error)
{
  std::lock_guard<std::mutex> guard (lock);
  ControlList first (camera->controls ());
  int status;

  fill_controls (first);
  status = camera->start (&first);
  if (status != 0)
    return fail (_ ("the camera does not start"), status, error);
  streaming = true;
  /* Some handlers take settings only with a request. */
  dirty = true;
  for (guint slot = 0; slot < requests.size (); slot++)
    if (!queue_request (slot))
      return fail (_ ("the camera takes no buffer"), lost ? -ENODEV : -EIO, error);
  return true;
}

/**
 * lb_camera_link_start:
 * @mode: one of lb_camera_link_get_modes()
 * @n_buffers: how many pictures may be under way
 * @queue: receives the pictures; lb_frame_queue_begin() came before
 * @stride, @length: (out): bytes from row to row, and of the first plane
 *
 * Configures, allocates, maps, starts, queues. May block.
 *
 * Returns: %FALSE with an LbDeviceError; nothing streams then
 */
gboolean
lb_camera_link_start (LbCameraLink *self,
                      const LbCameraMode *mode,
                      guint n_buffers,
                      const LbCameraControls *wanted,
                      const LbCameraTiming *timing,
                      LbFrameQueue *queue,
                      gsize *stride,
                      gsize *length,
                      GError **error)
{
  lb_camera_link_set_controls (self, wanted);
  self->timing = *timing;
  self->queue = lb_frame_queue_ref (queue);
  if (guarded (false, error,
               [&] { return self->prepare (mode, n_buffers, stride, length, error) && self->run (error); }))
    return TRUE;
  guarded (0, nullptr, [&] { return self->stop (); });
  return FALSE;
}

/* Requests of a camera that was unplugged never complete: nothing waits for them. */
int
_LbCameraLink::stop ()
{
  bool was_streaming;
  int status = 0;

  {
    std::lock_guard<std::mutex> guard (lock);

    was_streaming = streaming;
    streaming = false;
  }
  if (was_streaming)
    status = camera->stop ();
  forget_stream ();
  return status;
}

void
_LbCameraLink::forget_stream ()
{
  requests.clear ();
  mappings.clear ();
  if (allocator != nullptr && stream != nullptr)
    allocator->free (stream);
  allocator.reset ();
  stream = nullptr;
  g_clear_pointer (&queue, lb_frame_queue_unref);
}

/**
 * lb_camera_link_stop:
 *
 * Stops the stream and frees its buffers. May block.
 *
 * Returns: %FALSE with an LbDeviceError; it is stopped all the same
 */
gboolean
lb_camera_link_stop (LbCameraLink *self, GError **error)
{
  return guarded (FALSE, error, [&] {
    int status = self->stop ();

    return status == 0 || self->lost ? TRUE : fail (_ ("the camera does not stop"), status, error);
  });
}

const guint8 *
lb_camera_link_begin_read (LbCameraLink *self, guint slot)
{
  const Mapping &mapping = *self->mappings[slot];

  mapping.sync (DMA_BUF_SYNC_START);
  return static_cast<const guint8 *> (mapping.start) + mapping.offset;
}

void
lb_camera_link_end_read (LbCameraLink *self, guint slot)
{
  self->mappings[slot]->sync (DMA_BUF_SYNC_END);
}
