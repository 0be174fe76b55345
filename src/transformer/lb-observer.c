/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-observer.h"

/* Multiplies digitally and shows what goes in and what comes out. */
#define LB_TYPE_OBSERVER (lb_observer_get_type ())
G_DECLARE_FINAL_TYPE (LbObserver, lb_observer, LB, OBSERVER, LbEngine)

struct _LbObserver
{
  LbEngine parent_instance;
  LbEngine *digital;
  LbObserverFunc func;
  gpointer user_data;
};

G_DEFINE_FINAL_TYPE (LbObserver, lb_observer, LB_TYPE_ENGINE)

static const char *
lb_observer_get_name (LbEngine *engine)
{
  return "digital";
}

static gboolean
lb_observer_multiply (LbEngine *engine,
                      const LbProduct *product,
                      LbMatrix *out,
                      LbEngineCounts *counts,
                      GCancellable *cancellable,
                      GError **error)
{
  LbObserver *self = LB_OBSERVER (engine);

  if (!lb_engine_multiply (self->digital, product, out, counts, cancellable, error))
    return FALSE;
  self->func (product, out, self->user_data);
  return TRUE;
}

static void
lb_observer_finalize (GObject *object)
{
  g_clear_object (&LB_OBSERVER (object)->digital);
  G_OBJECT_CLASS (lb_observer_parent_class)->finalize (object);
}

static void
lb_observer_class_init (LbObserverClass *klass)
{
  LbEngineClass *engine_class = LB_ENGINE_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = lb_observer_finalize;
  engine_class->get_name = lb_observer_get_name;
  engine_class->multiply = lb_observer_multiply;
}

static void
lb_observer_init (LbObserver *self)
{
  self->digital = lb_digital_engine_new ();
}

gboolean
lb_observe_windows (LbModel *model,
                    const guint32 *tokens,
                    gsize count,
                    LbObserverFunc observe,
                    gpointer observe_data,
                    LbRangesFunc progress,
                    gpointer progress_data,
                    GCancellable *cancellable,
                    GError **error)
{
  const gsize context = lb_model_get_config (model)->context;
  const guint windows = (guint) ((count + context - 1) / context);
  g_autoptr (LbForward) forward = lb_forward_new (model);
  g_autoptr (LbObserver) observer = g_object_new (LB_TYPE_OBSERVER, NULL);

  observer->func = observe;
  observer->user_data = observe_data;
  lb_forward_set_engine (forward, LB_ENGINE (observer));
  for (guint window = 0; window < windows; window++)
    {
      const gsize first = window * context;
      g_autoptr (LbMatrix) logits = lb_forward_run (forward, tokens + first, MIN (context, count - first),
                                                    window, NULL, cancellable, error);

      if (logits == NULL)
        return FALSE;
      if (progress != NULL)
        progress (window + 1, windows, progress_data);
    }
  return TRUE;
}
