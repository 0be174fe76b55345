/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "lb-settling-fit-private.h"

#include <math.h>

/* Samples that the end of the approach needs to be fitted by itself, and by how
 * many standard errors it then must be different to count. */
#define TAIL_SAMPLES_MIN 6
#define SLOWER_ERRORS 4.0
#define ITERATIONS 60
#define SAMPLES_MIN 8

/* Mean over the exposure of what is left: 1 until @start, then exponential. */
static double
mean_rest (const LbSettlingSample *sample, double start, double tau)
{
  const double length = sample->to_us - sample->from_us;
  const double before = CLAMP (start - sample->from_us, 0, length);
  const double from = MAX (sample->from_us - start, 0), to = sample->to_us - start;

  if (to <= 0)
    return 1;
  return (before + tau * (exp (-from / tau) - exp (-to / tau))) / length;
}

static double
sum_squares (const LbSettlingSample *samples, guint count, double start, double log_tau)
{
  const double tau = exp (log_tau);
  double sum = 0;

  for (guint i = 0; i < count; i++)
    sum += pow (samples[i].rest - mean_rest (&samples[i], start, tau), 2);
  return sum;
}

/* Normal equations of start and log tau at a point: {ss, st, tt} and {s, t}. */
static void
derive (const LbSettlingSample *samples,
        guint count,
        double start,
        double log_tau,
        double gram[3],
        double moment[2])
{
  const double tau = exp (log_tau), step = 1e-3 * tau;

  gram[0] = gram[1] = gram[2] = moment[0] = moment[1] = 0;
  for (guint i = 0; i < count; i++)
    {
      const LbSettlingSample *sample = &samples[i];
      const double off = sample->rest - mean_rest (sample, start, tau);
      const double by_start =
          (mean_rest (sample, start + step, tau) - mean_rest (sample, start - step, tau)) / (2 * step);
      const double by_tau =
          (mean_rest (sample, start, tau * 1.001) - mean_rest (sample, start, tau / 1.001)) /
          (2 * log (1.001));

      gram[0] += by_start * by_start;
      gram[1] += by_start * by_tau;
      gram[2] += by_tau * by_tau;
      moment[0] += by_start * off;
      moment[1] += by_tau * off;
    }
}

/* Levenberg-Marquardt in two unknowns from where @start and @log_tau are. */
static double
refine (const LbSettlingSample *samples, guint count, double *start, double *log_tau)
{
  double best = sum_squares (samples, count, *start, *log_tau), damping = 1e-3;

  for (guint i = 0; i < ITERATIONS && damping < 1e8; i++)
    {
      double gram[3], moment[2], determinant, next_start, next_tau, sum;

      derive (samples, count, *start, *log_tau, gram, moment);
      gram[0] *= 1 + damping;
      gram[2] *= 1 + damping;
      determinant = gram[0] * gram[2] - gram[1] * gram[1];
      if (!(determinant > 0))
        break;
      next_start = *start + (gram[2] * moment[0] - gram[1] * moment[1]) / determinant;
      next_tau = *log_tau + CLAMP ((gram[0] * moment[1] - gram[1] * moment[0]) / determinant, -0.7, 0.7);
      sum = sum_squares (samples, count, next_start, next_tau);
      if (sum < best)
        {
          best = sum;
          *start = next_start;
          *log_tau = next_tau;
          damping /= 5;
        }
      else
        damping *= 5;
    }
  return best;
}

/* Where half of the step is left; FALSE if that is nowhere. */
static gboolean
find_half (const LbSettlingSample *samples, guint count, double *half_us)
{
  for (guint i = 1; i < count; i++)
    if (samples[i - 1].rest > 0.5 && samples[i].rest <= 0.5)
      {
        *half_us = 0.5 * (samples[i - 1].to_us + samples[i].from_us);
        return TRUE;
      }
  /* The first sample is within the approach already. */
  *half_us = samples[0].from_us;
  return samples[0].rest < 0.9 && samples[0].rest > 0.1;
}

/* The best of a row of time constants, refined. */
static double
fit (const LbSettlingSample *samples, guint count, double half_us, double *start, double *log_tau)
{
  const double shortest = MAX ((samples[0].to_us - samples[0].from_us) / 20, 1e-3);
  const double longest = MAX (samples[count - 1].to_us - samples[0].from_us, 2 * shortest);
  double best = INFINITY;

  for (guint i = 0; i <= 20; i++)
    {
      const double tau = shortest * pow (longest / shortest, i / 20.0);
      const double from = half_us - tau * G_LN2;
      const double sum = sum_squares (samples, count, from, log (tau));

      if (sum < best)
        {
          best = sum;
          *start = from;
          *log_tau = log (tau);
        }
    }
  return refine (samples, count, start, log_tau);
}

/* Standard error of start + tau ln (1 / share). */
static double
find_error (const LbSettlingSample *samples, guint count, double start, double log_tau, double variance)
{
  const double by_tau = exp (log_tau) * log (1 / LB_SETTLED_SHARE);
  double gram[3], moment[2], determinant;

  derive (samples, count, start, log_tau, gram, moment);
  determinant = gram[0] * gram[2] - gram[1] * gram[1];
  if (!(determinant > 0))
    return INFINITY;
  return sqrt (variance * (gram[2] - 2 * by_tau * gram[1] + by_tau * by_tau * gram[0]) / determinant);
}

/* Nothing may be left after it has settled, but for the noise. */
static gboolean
is_whole (const LbSettlingSample *samples, guint count, double settled_us, double rms)
{
  double sum = 0;
  guint after = 0;

  for (guint i = 0; i < count; i++)
    if (samples[i].from_us >= settled_us)
      {
        sum += samples[i].rest;
        after++;
      }
  return after >= 2 && fabs (sum / after) < LB_SETTLED_SHARE + 3 * rms / sqrt (after);
}

/* Noise of the samples, from the last quarter of them. */
static double
find_noise (const LbSettlingSample *samples, guint count)
{
  double steps = 0;

  for (guint i = count - count / 4; i < count; i++)
    steps += pow (samples[i].rest - samples[i - 1].rest, 2);
  return sqrt (steps / MAX (count / 4, 1) / 2);
}

/* The end of the approach from where @rest of the step is left, by itself. FALSE
 * if too few samples there are still on their way. */
static gboolean
fit_tail (const LbSettlingSample *samples,
          guint count,
          double rest,
          LbSettling *settling,
          double *start,
          double *log_tau)
{
  const double visible = MAX (LB_SETTLED_SHARE, 3 * find_noise (samples, count));
  guint first = 0, moving = 0;
  double sum;

  while (first < count && (samples[first].from_us < *start || samples[first].rest > rest))
    first++;
  for (guint i = first; i < count; i++)
    moving += samples[i].rest > visible;
  if (moving < TAIL_SAMPLES_MIN)
    return FALSE;
  sum = refine (samples + first, count - first, start, log_tau);
  settling->settled_us = *start + exp (*log_tau) * log (1 / LB_SETTLED_SHARE);
  settling->settled_error_us =
      find_error (samples + first, count - first, *start, *log_tau, sum / MAX (count - first - 2, 1));
  return isfinite (settling->settled_error_us);
}

gboolean
lb_settling_fit (const LbSettlingSample *samples, guint count, LbSettling *settling)
{
  static const double tails[] = { 0.35, 0.1, 0.03 };
  double half_us, start, log_tau, sum;

  *settling = (LbSettling){ 0 };
  if (count < SAMPLES_MIN || !find_half (samples, count, &half_us))
    return FALSE;
  sum = fit (samples, count, half_us, &start, &log_tau);
  settling->start_us = start;
  settling->rms = sqrt (sum / (count - 2));
  settling->settled_us = start + exp (log_tau) * log (1 / LB_SETTLED_SHARE);
  settling->settled_error_us = find_error (samples, count, start, log_tau, sum / (count - 2));
  /* What is slower at the end shows there alone; what is not is known better from all of it. */
  for (guint i = 0; i < G_N_ELEMENTS (tails); i++)
    {
      LbSettling tail = *settling;

      if (fit_tail (samples, count, tails[i], &tail, &start, &log_tau) &&
          fabs (tail.settled_us - settling->settled_us) >
              SLOWER_ERRORS * hypot (tail.settled_error_us, settling->settled_error_us))
        *settling = tail;
    }
  settling->whole = is_whole (samples, count, settling->settled_us, settling->rms);
  return TRUE;
}
