#include "machine/rack_yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <istream>
#include <optional>
#include <streambuf>

namespace ladon::machine {
namespace {

YamlPlace place_of(const YAML::Mark& mark) {
  if (mark.is_null()) return {};
  return {static_cast<std::size_t>(mark.line) + 1, static_cast<std::size_t>(mark.column) + 1};
}

// Text at hand as a stream, without a copy.
class TextBuffer final : public std::streambuf {
 public:
  explicit TextBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // never written to
    setg(begin, begin, begin + text.size());
  }
};

// Builds the tree from the parser's events. What is not allowed is thrown through the parser and caught in
// read_yaml: yaml-cpp knows no other way to stop.
class TreeBuilder final : public YAML::EventHandler {
 public:
  std::optional<YamlNode> take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(mark, anchor, {}, YamlNode::Kind::null, {});
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse_alias(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    // yaml-cpp calls a quoted scalar "!" and a plain one "?".
    const bool plain = tag == "?" || tag.empty();
    const bool null = plain && (value == "~" || value == "null");
    add(mark, anchor, tag, null ? YamlNode::Kind::null : YamlNode::Kind::scalar, value);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(add(mark, anchor, tag, YamlNode::Kind::sequence, {}), mark);
  }
  void OnSequenceEnd() override { open_.pop_back(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(add(mark, anchor, tag, YamlNode::Kind::map, {}), mark);
  }
  void OnMapEnd() override { open_.pop_back(); }

 private:
  struct Open {
    YamlNode* node;
    bool key_read = false;  // of a map: the next node is a value
  };

  [[noreturn]] static void refuse_alias(const YAML::Mark& mark) {
    throw YamlError{place_of(mark), "an anchor or alias (& or *)", "write the value out where it is used"};
  }

  YamlNode& add(const YAML::Mark& mark, YAML::anchor_t anchor, const std::string& tag, YamlNode::Kind kind,
                const std::string& text) {
    if (anchor != 0) refuse_alias(mark);
    if (!tag.empty() && tag != "?" && tag != "!")
      throw YamlError{place_of(mark), "a YAML tag (!)", "leave the tag away; every field has one type"};
    if (++nodes_ > kMaxYamlNodes)
      throw YamlError{place_of(mark), fmt::format("more than {} values", kMaxYamlNodes),
                      "make the rack smaller"};
    YamlNode node{.kind = kind, .place = place_of(mark), .text = text, .items = {}, .entries = {}};
    if (open_.empty()) return root_.emplace(std::move(node));
    Open& parent = open_.back();
    if (parent.node->kind == YamlNode::Kind::sequence)
      return parent.node->items.emplace_back(std::move(node));
    if (parent.key_read) {
      parent.key_read = false;
      return parent.node->entries.back().value = std::move(node);
    }
    if (kind != YamlNode::Kind::scalar)
      throw YamlError{place_of(mark), "a key that is not a plain word", "write 'key: value'"};
    parent.key_read = true;
    parent.node->entries.push_back({text, place_of(mark), {}});
    return parent.node->entries.back().value;
  }

  void open(YamlNode& node, const YAML::Mark& mark) {
    if (open_.size() == kMaxYamlDepth)
      throw YamlError{place_of(mark), fmt::format("nested more than {} deep", kMaxYamlDepth),
                      "no field of a rack lies so deep"};
    open_.push_back({&node});
  }

  std::optional<YamlNode> root_;
  std::vector<Open> open_;  // a node never moves while it is open: only its last descendant grows
  std::size_t nodes_ = 0;
};

}  // namespace

std::expected<YamlNode, YamlError> read_yaml(std::string_view text) {
  TextBuffer buffer(text);
  std::istream stream(&buffer);
  try {
    YAML::Parser parser(stream);
    TreeBuilder builder;
    if (!parser.HandleNextDocument(builder))
      return std::unexpected(
          YamlError{{}, "the file is empty", "describe a rack; see examples/two-hosts.yaml"});
    auto root = builder.take();
    TreeBuilder rest;
    if (parser.HandleNextDocument(rest))
      return std::unexpected(YamlError{rest.take().value_or(YamlNode{}).place, "a second document (---)",
                                       "one file describes one rack"});
    if (!root || root->kind == YamlNode::Kind::null)
      return std::unexpected(
          YamlError{{}, "the file is empty", "describe a rack; see examples/two-hosts.yaml"});
    return std::move(*root);
  } catch (const YamlError& error) {
    return std::unexpected(error);
  } catch (const YAML::Exception& error) {
    return std::unexpected(
        YamlError{place_of(error.mark), "not YAML: " + error.msg, "correct what the parser stumbled over"});
  }
}

}  // namespace ladon::machine
