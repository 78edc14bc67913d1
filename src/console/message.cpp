#include "console/message.h"

#include <cstdint>

namespace ladon::console {

std::string to_line(const Json& value) {
  // What others wrote may be no UTF-8.
  return value.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

std::string ok_reply(Json result) {
  Json reply{{"ok", true}};
  reply["result"] = std::move(result);
  return to_line(reply);
}

std::string error_reply(std::string_view sentence) {
  return to_line({{"ok", false}, {"error", sentence}});
}

std::expected<Request, std::string> parse_request(std::string_view line) {
  bool too_deep = false;
  const auto shallow = [&too_deep](int depth, Json::parse_event_t, const Json&) {
    too_deep |= static_cast<std::size_t>(depth) > kMaxDepth;
    return !too_deep;
  };
  Json request = Json::parse(line, shallow, false);
  if (too_deep) return std::unexpected(std::string("values are nested too deep"));
  if (request.is_discarded() || !request.is_object())
    return std::unexpected(std::string("a request is one JSON object on a line of its own"));
  const auto verb = request.find("verb");
  if (verb == request.end() || !verb->is_string())
    return std::unexpected(std::string("a request names its verb, as in {\"verb\":\"help\"}"));
  return Request{verb->get<std::string>(), std::move(request)};
}

std::expected<Json, std::string> parse_reply(std::string_view line) {
  Json reply = Json::parse(line, nullptr, false);
  const bool object = !reply.is_discarded() && reply.is_object();
  if (object && reply.value("ok", Json()) == true && reply.contains("result"))
    return std::move(reply["result"]);
  if (object && reply.contains("error") && reply["error"].is_string())
    return std::unexpected(reply["error"].get<std::string>());
  return std::unexpected(std::string("the answer is not one that a rack gives"));
}

}  // namespace ladon::console
