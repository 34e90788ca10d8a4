#include <algorithm>
#include <cmath>

#include "latent/methods/methods.h"
#include "lib/core/error.h"

namespace tacit {

Procedure depth_procedure(const MethodContext& context) {
  Procedure out = plain_procedure(context);
  out.exit.kl = context.option("exit_kl");
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

void at_least(const Json& options, const char* name, double least, const std::string& source) {
  require(options.at(name).get<double>() >= least, "read_config", "expected '", name, "' to be at least ", least,
          " but got ", options.at(name).dump(), " in ", source);
}

}  // namespace tacit
