/* Names of losses and metrics as the command line has them. */
#include <heed/train.h>

#include "base/names.h"
#include "base/status.h"

static const char *const losses[] = {"cross-entropy", "binary-cross-entropy", "squared",
                                     "absolute"};
static const char *const metrics[] = {"accuracy", "macro-f1", "micro-f1", "roc-auc",
                                      "mcc",      "rmse",     "mae"};
enum { LOSSES = sizeof losses / sizeof *losses, METRICS = sizeof metrics / sizeof *metrics };

const char *heed_loss_name(heed_loss loss) { return (unsigned)loss < LOSSES ? losses[loss] : "?"; }

heed_status heed_loss_from_name(const char *name, heed_loss *loss) {
  int i = heed__name_index(losses, LOSSES, name);
  if (i < 0) {
    return heed__fail(HEED_ARGUMENT,
                      "no loss '%s': cross-entropy, binary-cross-entropy, squared or absolute",
                      name);
  }
  *loss = (heed_loss)i;
  return HEED_OK;
}

const char *heed_metric_name(heed_metric metric) {
  return (unsigned)metric < METRICS ? metrics[metric] : "?";
}

heed_status heed_metric_from_name(const char *name, heed_metric *metric) {
  int i = heed__name_index(metrics, METRICS, name);
  if (i < 0) {
    return heed__fail(HEED_ARGUMENT,
                      "no metric '%s': accuracy, macro-f1, micro-f1, roc-auc, mcc, rmse or mae",
                      name);
  }
  *metric = (heed_metric)i;
  return HEED_OK;
}

bool heed_metric_larger_is_better(heed_metric metric) {
  return metric != HEED_METRIC_RMSE && metric != HEED_METRIC_MAE;
}
