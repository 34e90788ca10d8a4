#include <algorithm>
#include <cmath>

#include "latent/depth_loss.h"
#include "latent/methods/methods.h"
#include "lib/core/error.h"

namespace tacit {

Procedure depth_procedure(const MethodContext& context) {
  Procedure out = plain_procedure(context);
  out.exit.kl = context.option("exit_kl");
  return out;
}

LatentLoss recurrent_answer_loss(const LossContext& c, bool random) {
  const Json& options = c.context.settings.options;
  const double mean = mean_recurrences(c.model, options);
  DepthRun depth{.recurrences = std::llround(mean), .gradient_last = options.at("backprop").get<int64_t>()};
  Rng rng(c.context.seed, /*stream=*/0, /*substream=*/kDepthSubstream);
  if (c.training && random) depth.recurrences = drawn_recurrences(rng, mean, options.at("deviation").get<double>());
  LatentLoss out = answer_loss(c.model, c.rows, depth);
  out.figures = {{"recurrences", static_cast<double>(depth.recurrences)}};
  return out;
}

double mean_recurrences(const Transformer& model, const Json& options) {
  const double mean = options.at("mean_recurrences");
  return mean > 0 ? std::max(mean, 1.0) : static_cast<double>(model.config().depth.recurrences);
}

int64_t answering_recurrences(const Json& options, int64_t otherwise) {
  const double mean = options.at("mean_recurrences");
  return mean > 0 ? std::max<int64_t>(1, std::llround(mean)) : otherwise;
}

double number_option(const Json& options, const char* name) { return options.at(name).get<double>(); }

void at_least(const Json& options, const char* name, double least, const std::string& source) {
  require(number_option(options, name) >= least, "read_config", "expected '", name, "' to be at least ", least,
          " but got ", options.at(name).dump(), " in ", source);
}

}  // namespace tacit
