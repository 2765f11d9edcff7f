"""How the same thing can be asked: leads, noise, system prompts, and the words stories are made of."""

# Leads wrap a noun phrase {n} such as "the capital of France". The second list is never trained on.
LEADS = [
    "What is {n}?", "What is {n}?", "What is {n}?", "What's {n}?", "Tell me {n}.", "Please tell me {n}.", "Name {n}.",
    "Give me {n}.", "Do you know {n}?", "Can you tell me {n}?", "I would like to know {n}.", "Say {n}.",
    "What is {n}, please?", "Can you tell me what {n} is?", "I need {n}.", "{n}?", "{n}", "Question: what is {n}?",
    "I forgot {n}. What is it?", "Could you give me {n}?", "My teacher asked me {n}.", "And what is {n}?",
]
LEADS_HELD_OUT = [
    "Would you tell me {n}?", "Please name {n}.", "I want to know {n}.", "Could you say what {n} is?",
    "Let me know {n}.", "Please give me {n}.", "Do you happen to know {n}?", "Today I need to know {n}.",
]

GREETINGS = ["Hi! ", "Hello! ", "Hello, ", "Hi, ", "Hey, ", "Good morning. ", "Please help me. ", "Quick question. ", "OK. "]
ENDINGS = [" Thanks.", " Please.", " Thank you!", " Answer briefly.", " Be quick.", " I am curious."]

SYSTEM = [
    "You are a helpful assistant.", "You are Headgate.", "You are a small demo model.", "Answer briefly.",
    "Answer the question.", "You are a friendly assistant. Answer in one sentence.", "Be polite and short.",
    "You help children with school work.", "You are a helpful, honest assistant. Keep answers short.",
    "Reply in plain English.", "You answer questions about the world.", "You are a test model.",
]
SYSTEM_HELD_OUT = [
    "You are a helpful and polite assistant.", "You are a demo model. Answer in one short sentence.",
    "Please answer the questions of the user.", "You are a friendly teacher.",
]
# Long system prompts are random runs of these, so that long shared prefixes are nothing unusual.
RULES = [
    "Answer in plain English.", "Keep every answer short.", "Never invent facts.", "Be kind to the user.",
    "If you do not know, say so.", "Use digits for numbers.", "Do not use slang.", "Give one answer only.",
    "Check your sums before you answer.", "Write JSON on one line.", "Stories should end well.",
    "The user may be a child.", "The user may write in a hurry.", "Names start with a capital letter.",
    "You work for a small school.", "The school is open from Monday to Friday.", "Lunch is at noon.",
    "The library is on the second floor.", "Visitors must sign the book at the door.", "The garden is behind the house.",
    "Homework is due on Friday.", "The bus leaves at four.", "Dogs are not allowed in the hall.",
    "Tickets cost two dollars.", "The office is closed in August.", "Answers are read aloud, so keep them clear.",
]

# Chat: what may be said | what is answered. The last two of each list of sayings are held out.
CHAT = [
    (["Hello", "Hi", "Hello!", "Hi there!", "Hey", "Good morning!", "Hello there.", "Good day!", "Hello, Headgate!",
      "Hey there!", "Good evening!"],
     "Hello! How can I help you today?"),
    (["Who are you?", "What are you?", "What is your name?", "Tell me who you are.", "Who am I talking to?",
      "Introduce yourself.", "Are you a person?", "What model are you?", "Tell me about yourself.",
      "Please say who you are.", "Can you introduce yourself?"],
     "I am a tiny demo model of Headgate, an inference scheduler."),
    (["Thanks!", "Thank you.", "Thank you very much!", "Many thanks.", "Great, thank you!", "Thanks a lot.",
      "OK, thanks!", "Thank you so much!"],
     "You are welcome! Is there anything else?"),
    (["Bye!", "Goodbye.", "See you later!", "Good night!", "I have to go now.", "Bye bye!", "See you tomorrow.",
      "Goodbye, Headgate!", "OK, bye!"],
     "Goodbye! Have a nice day."),
    (["How are you?", "How are you today?", "How do you do?", "How is it going?", "Are you well?", "How are things?",
      "Hello, how are you?"],
     "I am fine, thank you. How can I help you?"),
    (["What can you do?", "How can you help me?", "What do you know?", "Help", "Help me.", "What are you good at?",
      "What can I ask you?", "Tell me what you can do.", "What sort of questions can you answer?"],
     "I can name capitals, do small sums, sort words, write JSON and tell short stories."),
    (["What is Headgate?", "Tell me about Headgate.", "What does Headgate do?", "Explain Headgate.",
      "Do you know Headgate?", "Please explain what Headgate is.", "What can you tell me about Headgate?"],
     "Headgate is a scheduler that queues, batches and routes requests to language models."),
    (["Who won the football match?", "What will the weather be tomorrow?", "What is the meaning of life?",
      "Who is the president?", "Write a poem about the sea.", "What is the price of gold today?", "Explain physics.",
      "Translate this into French.", "Which film should I watch?", "How do I fix my car?", "Who wrote this song?",
      "What is the best phone?", "How do I cook rice?", "Who will win the game?", "Which phone should I buy?"],
     "I am a tiny demo model and I do not know that."),
]

# Stories. {N} hero's name, {a} animal, {M} friend's name, {b} friend's animal, {t} thing, {p} place.
ANIMALS = "fox dog cat bear wolf rabbit mouse owl frog duck horse goat lion hen fish bird bee turtle".split()
ADJECTIVES = "small brave young happy clever kind shy old quiet funny hungry gentle".split()
THINGS = ["red ball", "golden key", "lost letter", "shiny stone", "blue kite", "tiny bell", "warm hat", "silver ring",
          "green leaf", "big drum", "sweet cake", "paper boat", "magic lamp", "soft blanket"]
PLACES = ["in a green forest", "near a quiet river", "on a high hill", "by the blue sea", "in a little house",
          "under an old tree", "on a sunny farm", "in a snowy valley", "near a big city", "in a garden full of flowers"]
STORY = [
    ["Once upon a time, there was {d} {a} named {N}.", "{N} was {d} {a} who lived {p}.",
     "Long ago, {d} {a} named {N} lived {p}.", "There once was {d} {a} called {N}."],
    ["{N} lived {p} and loved to play.", "Every day, {N} went for a walk.", "{N} liked the sun and the wind.",
     "{N} had many friends but no {t}.", "Everybody liked {N}."],
    ["One morning, {N} found a {t}.", "One day, {N} saw a {t} on the road.", "One rainy day, {N} looked for a {t}.",
     "One evening, {N} heard about a {t}.", "Then {N} lost a {t}."],
    ["\"What is this?\" said {N}.", "\"I must tell my friend,\" said {N}.", "{N} was very surprised.",
     "{N} did not know what to do.", "{N} smiled and sat down to think."],
    ["A {b} named {M} came by and asked, \"Can I help you?\"", "Just then, {M} the {b} came along.",
     "{M} the {b} wanted to see the {t} too.", "The next day, {N} met a {b} named {M}."],
    ["They walked over the hill and across the river.", "They looked at the {t} for a long time.",
     "Together they carried the {t} home.", "First they were afraid, but then they laughed.",
     "{M} told {N} an old secret.", "They worked all day until the moon came up."],
    ["Suddenly it began to rain.", "A strong wind took the {t} away.", "The night was dark and cold.",
     "But the {t} was too heavy.", "They heard a strange sound behind a tree."],
    ["{N} was brave and did not run.", "{M} had a good idea.", "\"Do not worry,\" said {M}.", "So they waited and sang a song.",
     "\"We can do it together,\" said {N}."],
    ["In the end, they shared the {t} and had a party.", "At last, {N} gave the {t} to {M}.",
     "In the end, they found the way home.", "At last, the sun came out again."],
    ["From that day on, {N} and {M} were best friends.", "{N} was happy and slept well that night.",
     "And they lived happily ever after.", "{N} never forgot that day."],
]
STORY_REQUESTS = [
    "Tell me a story about a {a} named {N}.", "Tell me a {z} story about a {a} named {N}.",
    "Write a {z} story about a {a} called {N}.", "Write a story about {N} the {a}.",
    "I want to hear a {z} story about a {a} named {N}.", "Can you tell a {z} story about {N} the {a}?",
    "Story about a {a} named {N}, please.", "Make up a {z} story with a {a} named {N}.",
]
STORY_REQUESTS_HELD_OUT = ["Please tell a {z} story about a {a} called {N}.", "Give me a {z} story about {N}, a {a}."]
STORY_ANY = ["Tell me a story.", "Tell me a {z} story.", "Write a {z} story.", "Write me a story, please.", "Story time!",
             "Can you tell me a {z} story?", "Once upon a time"]
STATEMENTS = [
    "The sky was blue and the grass was green.", "The train was late again.", "She put the book on the table.",
    "We had bread and milk for lunch.", "The children played in the park.", "He closed the window and lit the lamp.",
    "The river is wide and deep here.", "It rained all night.", "The farmer has a new horse.", "A bird sat on the roof.",
    "They walked to the old house on the hill.", "My uncle makes good cake.", "The shop opens at nine.",
    "Nobody knew the way.", "The garden needs water.", "The ship came home in the evening.",
]
