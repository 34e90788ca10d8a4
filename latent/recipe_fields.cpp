#include "latent/recipe_fields.h"

#include <cmath>

namespace tacit {

double number_from(const JsonReader& in, const char* field, double fallback, double low) {
  const double value = in.number(field, fallback);
  if (!(value >= low) || !std::isfinite(value)) in.reject(field, "to be at least " + Json(low).dump());
  return value;
}

int64_t integer_from(const JsonReader& in, const char* field, int64_t fallback, int64_t low) {
  const int64_t value = in.integer(field, fallback);
  if (value < low) in.reject(field, "to be at least " + std::to_string(low));
  return value;
}

double share_from(const JsonReader& in, const char* field, double fallback, bool one) {
  const double value = in.number(field, fallback);
  if (!(value >= 0 && (one ? value <= 1 : value < 1)))
    in.reject(field, one ? "to lie in 0..1" : "to lie in 0..1, 1 excluded");
  return value;
}

void only_for(bool allowed, const JsonReader& in, std::initializer_list<const char*> fields, const std::string& whose) {
  for (const char* field : fields) {
    if (!allowed && in.has(field)) in.reject(field, "to be absent: it belongs to " + whose);
  }
}

}  // namespace tacit
